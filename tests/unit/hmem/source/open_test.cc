// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "hmem/source/memory_source.h"
#include "hmem/source/source_format.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/kdump_maker.h"
#include "tests/makers/pattern.h"
#include "tests/makers/temp_file.h"

namespace hmem::source {
namespace {

using makers::Pattern;
using makers::TempFile;
using testing::HasSubstr;

void ExpectRefused(const std::string& path, ErrorCode code, const std::string& text) {
  auto source = Open(path);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code(), code);
  std::string line = source.error().ToString();
  EXPECT_THAT(line, HasSubstr(path));
  EXPECT_THAT(line, HasSubstr(text));
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(Open, TakesTheFormatByContent) {
  TempFile elf(makers::ElfMaker().Load(PhysAddr(0x1000), Pattern(1)).Make());
  TempFile kdump(makers::KdumpMaker().Page(Pfn(1), Pattern(1)).Make());
  auto a = Open(elf.path());
  auto b = Open(kdump.path());
  ASSERT_TRUE(a);
  ASSERT_TRUE(b);
  EXPECT_EQ((*a)->format(), "elf");
  EXPECT_EQ((*b)->format(), "kdump");
  EXPECT_EQ((*a)->path(), elf.path());
}

TEST(Open, MissingFile) {
  ExpectRefused("/no/such/dump", ErrorCode::kIo, "No such file or directory");
}

TEST(Open, Directory) {
  makers::TempDir dir;
  ExpectRefused(dir.path(), ErrorCode::kUnsupported, "a directory");
}

TEST(Open, EmptyFile) {
  TempFile file("");
  ExpectRefused(file.path(), ErrorCode::kUnsupported, "an empty file");
}

TEST(Open, RandomBytesAreNoDumpAndAreShown) {
  TempFile file("\x01\x02\xffgarbage");
  ExpectRefused(file.path(), ErrorCode::kUnsupported, "01 02 ff 67");
}

TEST(Open, OneByte) {
  TempFile file("x");
  ExpectRefused(file.path(), ErrorCode::kUnsupported, "begins with 78");
}

TEST(Open, CharacterDevice) {
  ExpectRefused("/dev/null", ErrorCode::kUnsupported,
                "/dev/null: a character device that does not know HMEM_INFO");
}

TEST(Open, UnreadableFile) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  TempFile file("x");
  ASSERT_EQ(::chmod(file.path().c_str(), 0), 0);
  ExpectRefused(file.path(), ErrorCode::kIo, "Permission denied");
}

TEST(Open, AProgramIsElfButNoCore) {
  ExpectRefused("/proc/self/exe", ErrorCode::kUnsupported, "an ELF file, but not a core dump");
}

TEST(AllSourceFormats, IsSortedByName) {
  auto all = AllSourceFormats();
  for (size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i - 1]->name, all[i]->name);
}

TEST(AllSourceFormats, NoneTakesNothingOrGarbage) {
  for (const SourceFormat* format : AllSourceFormats()) {
    if (format->character_device) continue;
    EXPECT_FALSE(format->sniff({})) << format->name;
    EXPECT_FALSE(format->sniff(Pattern(1))) << format->name;
  }
}

}  // namespace
}  // namespace hmem::source
