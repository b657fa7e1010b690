// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/source_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/makers/elf_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::dump {
namespace {

using makers::Pattern;
using makers::TempFile;
using testing::ElementsAre;
using testing::IsEmpty;

class OpenFirstTest : public testing::Test {
 protected:
  Result<std::unique_ptr<source::MemorySource>> Open(std::vector<std::string> places) {
    return OpenFirst(places, [this](std::string_view text) { said_.emplace_back(text); });
  }

  TempFile good_{makers::ElfMaker().Load(PhysAddr(0x1000), Pattern(1)).Make()};
  TempFile other_{makers::ElfMaker().Load(PhysAddr(0x2000), Pattern(1)).Make()};
  std::vector<std::string> said_;
};

TEST_F(OpenFirstTest, TheFirstThatIsThereIsTaken) {
  auto source = Open({"/not/there", good_.path(), other_.path()});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->path(), good_.path());
  EXPECT_THAT(said_, IsEmpty());
}

TEST_F(OpenFirstTest, StepsBackFromOneThatRefusesAndSaysWhy) {
  auto source = Open({"/dev/null", good_.path()});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->path(), good_.path());
  EXPECT_THAT(said_,
              ElementsAre("/dev/null: a character device that does not know HMEM_INFO, so no "
                          "memory of a kernel; reading " +
                          good_.path() + " instead"));
}

TEST_F(OpenFirstTest, TheLastRefusalIsTheError) {
  TempFile empty("");
  auto source = Open({"/dev/null", empty.path(), "/not/there"});
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().ToString(), empty.path() + ": an empty file, not a dump");
  EXPECT_EQ(said_.size(), 1u);
}

TEST_F(OpenFirstTest, NothingThereIsNotFound) {
  auto source = Open({"/not/there", "/neither"});
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(source.error().ToString(),
            "no SOURCE given, and none of /not/there, /neither is here: not a capture kernel?");
}

TEST(SourcePlaces, TheDeviceComesFirst) {
  EXPECT_THAT(SourcePlaces(), ElementsAre("/dev/hmem", "/proc/vmcore"));
}

}  // namespace
}  // namespace hmem::dump
