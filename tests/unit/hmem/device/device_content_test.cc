// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/device/device_content.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "hmem/base/endian.h"
#include "hmem/base/fd.h"
#include "hmem/format/hmem_frame.h"
#include "tests/makers/temp_file.h"

namespace hmem::device {
namespace {

using Kind = DeviceContent::Kind;
using namespace std::string_view_literals;

// Larger than a floppy, on which libblkid looks for less.
constexpr size_t kImageBytes = 8 << 20;

struct Image {
  std::vector<std::byte> bytes = std::vector<std::byte>(kImageBytes);

  Image& Put(size_t at, std::string_view text) {
    std::memcpy(bytes.data() + at, text.data(), text.size());
    return *this;
  }
  Image& HeaderFrame() {
    format::FrameHeader header;
    header.type = format::FrameType::kHeader;
    format::EncodeFrameHeader(header, std::span(bytes).first<format::kFrameHeaderBytes>());
    return *this;
  }
  DeviceContent Content() const {
    makers::TempFile file{std::span<const std::byte>(bytes)};
    UniqueFd fd = OpenFile(file.path(), O_RDONLY).value();
    return ReadDeviceContent(fd.get(), file.path()).value();
  }
};

TEST(DeviceContent, ZerosAreBlank) {
  DeviceContent content = Image().Content();
  EXPECT_EQ(content.kind, Kind::kBlank);
  EXPECT_EQ(content.Describe(), "");
}

TEST(DeviceContent, NamesWhatItKnows) {
  DeviceContent luks = Image().Put(0, "LUKS\xba\xbe\0\2"sv).Content();
  EXPECT_EQ(luks.kind, Kind::kKnown);
  EXPECT_EQ(luks.Describe(), "a signature of crypto_LUKS");
  EXPECT_EQ(Image().Put(0x438, "\x53\xef"sv).Content().what, "ext2");
  EXPECT_EQ(Image().Put(0x8001, "CD001"sv).Put(0x8000, "\1"sv).Content().what, "iso9660");
}

TEST(DeviceContent, NamesAPartitionTable) {
  // One Linux partition from sector 2048 on.
  Image image;
  image.Put(0x1be, "\0\0\0\0\x83"sv).Put(0x1fe, "\x55\xaa"sv);
  Store<uint32_t>(image.bytes.data() + 0x1c6, 2048, Endian::kLittle);
  Store<uint32_t>(image.bytes.data() + 0x1ca, 4096, Endian::kLittle);
  EXPECT_EQ(image.Content().what, "dos partition table");
}

TEST(DeviceContent, SeesALabelFarBehindTheStart) {
  EXPECT_EQ(Image().Put(0x10040, "_BHRfS_M"sv).Content().kind, Kind::kKnown);
}

TEST(DeviceContent, KnowsAnEarlierDump) {
  DeviceContent content = Image().HeaderFrame().Put(5000, "dump").Content();
  EXPECT_EQ(content.kind, Kind::kHmemDump);
  EXPECT_EQ(content.Describe(), "an .hmem dump");
}

TEST(DeviceContent, ALabelBehindAnEarlierDumpCounts) {
  EXPECT_EQ(Image().HeaderFrame().Put(0x438, "\x53\xef"sv).Content().kind, Kind::kKnown);
}

TEST(DeviceContent, ADamagedHeaderFrameIsNoDump) {
  Image image;
  image.HeaderFrame();
  image.bytes[20] ^= std::byte{1};
  EXPECT_EQ(image.Content().kind, Kind::kUnknown);
}

TEST(DeviceContent, OneByteInTheFirstMebibyteIsDataOfAnUnknownKind) {
  DeviceContent content = Image().Put(kBlankBytes - 1, "x").Content();
  EXPECT_EQ(content.kind, Kind::kUnknown);
  EXPECT_EQ(content.Describe(), "data of an unknown kind");
}

TEST(DeviceContent, ADescriptorThatCannotBeReadIsAnError) {
  makers::TempFile file{"x"sv};
  UniqueFd fd = OpenFile(file.path(), O_WRONLY).value();
  auto content = ReadDeviceContent(fd.get(), "/dev/vdb");
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), ErrorCode::kIo);
}

}  // namespace
}  // namespace hmem::device
