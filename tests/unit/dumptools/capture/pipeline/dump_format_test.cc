// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/dump_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hmem/format/kdump_header.h"

namespace hmem::capture {
namespace {

TEST(DumpFormat, NamesLeadThereAndBack) {
  for (DumpFormat format : {DumpFormat::kHmem, DumpFormat::kKdump, DumpFormat::kElf,
                            DumpFormat::kFlat, DumpFormat::kFlatElf}) {
    EXPECT_EQ(*FindDumpFormat(DumpFormatName(format)), format);
    EXPECT_EQ(UsualFileName(format), "dump." + std::string(DumpFormatName(format)));
    EXPECT_TRUE(ParseCompression("", format));
    EXPECT_EQ(ParseCompression("none", format)->codec->name, "none");
  }
  auto other = FindDumpFormat("vmdk");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(other.error().ToString(),
              testing::HasSubstr("not one of hmem, kdump, elf, flat, flat-elf"));
}

TEST(DumpFormat, EveryCodecOfAFormatCanBeStoredInIt) {
  for (const codec::Codec* codec : codec::AllCodecs()) {
    EXPECT_EQ(ParseCompression(codec->name, DumpFormat::kHmem).has_value(),
              codec->hmem_id != codec::kNoHmemId);
    EXPECT_EQ(ParseCompression(codec->name, DumpFormat::kKdump).has_value(),
              format::KdumpCodecFlag(codec->name).has_value());
  }
}

TEST(DumpFormat, LevelsAreThoseOfTheCodec) {
  EXPECT_EQ(ParseCompression("zlib", DumpFormat::kKdump)->level, 1);
  EXPECT_EQ(ParseCompression("zlib:9", DumpFormat::kKdump)->level, 9);
  EXPECT_EQ(ParseCompression("zstd:19", DumpFormat::kFlat)->level, 19);
  for (const char* text : {"zlib:0", "zlib:10", "zlib:", "zlib:x", "lzo:1", "snappy:1", "none:1",
                           "zstd:20", "zstd:1x"}) {
    auto compression = ParseCompression(text, DumpFormat::kKdump);
    ASSERT_FALSE(compression) << text;
    EXPECT_EQ(compression.error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace hmem::capture
