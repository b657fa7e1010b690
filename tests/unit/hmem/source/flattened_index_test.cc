// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/flattened_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "hmem/source/dump_file.h"
#include "hmem/source/memory_source.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/flattened_maker.h"
#include "tests/makers/kdump_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using makers::FlattenedMaker;
using makers::Pattern;
using testing::HasSubstr;

class Flattened : public testing::Test {
 protected:
  Result<DumpFile> Open(std::span<const std::byte> bytes) {
    return DumpFile::Open(dir_.Write("flat", bytes), 1 << 20);
  }
  std::vector<std::byte> All(const DumpFile& file) {
    std::vector<std::byte> bytes(file.size_bytes());
    EXPECT_TRUE(file.Read(0, bytes));
    return bytes;
  }
  static bool Told(const DumpFile& file, std::string_view id) {
    return std::ranges::any_of(file.findings().all(),
                               [&](const Finding& finding) { return finding.id == id; });
  }

  makers::TempDir dir_;
};

// The plain way: each record over what was there.
TEST_F(Flattened, LaterRecordsWinWhateverTheirOrder) {
  std::mt19937 random(11);
  for (int round = 0; round < 20; ++round) {
    FlattenedMaker maker;
    std::vector<std::byte> wanted;
    for (uint64_t i = 0; i < 60; ++i) {
      const uint64_t offset = random() % 20000;
      std::vector<std::byte> bytes = Pattern(i + 100, random() % 3000);
      wanted.resize(std::max<size_t>(wanted.size(), bytes.empty() ? 0 : offset + bytes.size()));
      std::ranges::copy(bytes, wanted.begin() + static_cast<ptrdiff_t>(offset * !bytes.empty()));
      maker.Record(offset, bytes);
    }
    auto file = Open(maker.Make());
    ASSERT_TRUE(file) << file.error().ToString();
    ASSERT_EQ(file->size_bytes(), wanted.size());
    ASSERT_EQ(All(*file), wanted);
    for (int i = 0; i < 50; ++i) {
      const uint64_t at = random() % wanted.size();
      std::vector<std::byte> some(std::min<size_t>(random() % 5000, wanted.size() - at));
      ASSERT_TRUE(file->Read(at, some));
      ASSERT_TRUE(
          std::equal(some.begin(), some.end(), wanted.begin() + static_cast<ptrdiff_t>(at)));
    }
    EXPECT_FALSE(file->findings().HasLosses());
    EXPECT_TRUE(Told(*file, "source.flattened"));
  }
}

TEST_F(Flattened, ReadsEndWhereTheDumpEnds) {
  auto file = Open(FlattenedMaker().Record(100, Pattern(1, 50)).Make());
  ASSERT_TRUE(file);
  std::vector<std::byte> out(100);
  EXPECT_EQ(*file->ReadSome(120, out), 30u);
  EXPECT_EQ(*file->ReadSome(150, out), 0u);
  EXPECT_EQ(*file->ReadSome(~uint64_t{0} - 10, out), 0u);
  EXPECT_EQ(file->Read(120, out).error().code(), ErrorCode::kTruncated);
}

TEST_F(Flattened, WithoutEndMarkWhatIsThereIsRead) {
  auto file = Open(FlattenedMaker().Record(0, Pattern(1)).bytes());
  ASSERT_TRUE(file);
  EXPECT_EQ(All(*file), Pattern(1));
  EXPECT_TRUE(Told(*file, "source.flattened.truncated"));
  EXPECT_TRUE(file->findings().HasLosses());
}

TEST_F(Flattened, EveryCutOpensUpToTheCut) {
  std::vector<std::byte> whole =
      FlattenedMaker().Record(0, Pattern(1, 100)).Record(100, Pattern(2, 100)).Make();
  for (size_t cut = format::kFlattenedHeaderBytes; cut < whole.size(); ++cut) {
    auto file = Open(std::span(whole).first(cut));
    ASSERT_TRUE(file) << cut;
    EXPECT_TRUE(Told(*file, "source.flattened.truncated")) << cut;
    const size_t behind = cut - format::kFlattenedHeaderBytes;
    const size_t first = std::clamp<size_t>(behind, 16, 116) - 16;
    const size_t second = std::clamp<size_t>(behind, 132, 232) - 132;
    EXPECT_EQ(file->size_bytes(), first + second) << cut;
  }
  EXPECT_EQ(Open(std::span(whole).first(4000)).error().code(), ErrorCode::kTruncated);
}

TEST_F(Flattened, ARecordThatMakesNoSenseEndsIt) {
  auto file = Open(FlattenedMaker()
                       .Record(0, Pattern(1))
                       .Head({.offset = ~uint64_t{0} - 5, .bytes = 100})
                       .Record(4096, Pattern(2))
                       .Make());
  ASSERT_TRUE(file);
  EXPECT_EQ(All(*file), Pattern(1));
  EXPECT_TRUE(Told(*file, "source.flattened.damaged"));
}

TEST_F(Flattened, ARecordLargerThanTheFileIsTheRestOfIt) {
  auto file = Open(FlattenedMaker()
                       .Record(0, Pattern(1))
                       .Head({.offset = uint64_t{1} << 50, .bytes = uint64_t{1} << 60})
                       .Record(4096, Pattern(2))
                       .Make());
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size_bytes(), (uint64_t{1} << 50) + 4096 + 32);
  EXPECT_TRUE(Told(*file, "source.flattened.truncated"));
  std::vector<std::byte> page(4096);
  ASSERT_TRUE(file->Read(0, page));
  EXPECT_EQ(page, Pattern(1));
}

TEST_F(Flattened, AnotherVersionIsUnsupported) {
  std::vector<std::byte> whole = FlattenedMaker().Make();
  whole[31] = std::byte{2};
  auto file = Open(whole);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(file.error().ToString(), HasSubstr("version 2"));
}

TEST_F(Flattened, AKdumpAndAnElfCoreOpenByWhatTheyAre) {
  makers::KdumpMaker kdump;
  kdump.Vmcoreinfo("OSRELEASE=6.1.0\n").Page(Pfn(1), Pattern(1)).Page(Pfn(2), Pattern(2), "lzo");
  std::vector<std::byte> elf = makers::ElfMaker().Load(PhysAddr(0x1000), Pattern(1, 8192)).Make();
  for (auto [name, dump] : {std::pair{"kdump", kdump.Make()}, std::pair{"elf", elf}}) {
    auto source = source::Open(dir_.Write(name, FlattenedMaker().Whole(dump, 1000).Make()));
    ASSERT_TRUE(source) << source.error().ToString();
    EXPECT_EQ((*source)->format(), name);
    EXPECT_TRUE((*source)->complete());
    std::vector<std::byte> page(4096);
    ASSERT_TRUE((*source)->Read(PhysAddr(0x1000), page));
    EXPECT_TRUE(std::equal(page.begin(), page.end(),
                           (name == std::string("kdump") ? Pattern(1) : Pattern(1, 8192)).begin()));
    Findings findings;
    ASSERT_TRUE((*source)->Verify(findings));
    EXPECT_FALSE(findings.HasLosses());
  }
}

TEST_F(Flattened, ACutOneIsNotComplete) {
  makers::KdumpMaker kdump;
  kdump.Page(Pfn(1), Pattern(1)).Page(Pfn(2), Pattern(2));
  std::vector<std::byte> flat = FlattenedMaker().Whole(kdump.Make(), 1000).Make();
  flat.resize(flat.size() - 100);
  auto source = source::Open(dir_.Write("cut", flat));
  ASSERT_TRUE(source) << source.error().ToString();
  EXPECT_FALSE((*source)->complete());
  EXPECT_EQ((*source)->FateOf(Pfn(1)), PageFate::kPresent);
  EXPECT_EQ((*source)->FateOf(Pfn(2)), PageFate::kNotReached);
}

TEST_F(Flattened, OfSomethingElseIsNoDump) {
  auto source = source::Open(dir_.Write("other", FlattenedMaker().Record(0, Pattern(1)).Make()));
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace hmem::source
