// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/kernel_image.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/dumptools/loader/made_kernel.h"

namespace hmem::loader {
namespace {

TEST(KernelImage, ReadsReleaseSizeAndSignature) {
  auto image = ParseKernelImage(MadeKernel("6.1.0-56-cloud-amd64"));
  ASSERT_TRUE(image) << image.error().ToString();
  EXPECT_EQ(image->release, "6.1.0-56-cloud-amd64");
  EXPECT_EQ(image->init_size_bytes, uint64_t{kMadeInitSize});
  EXPECT_TRUE(image->is_64bit);
  EXPECT_TRUE(image->is_relocatable);
  EXPECT_EQ(image->command_line_bytes, 2047u);
  EXPECT_TRUE(image->is_signed);
}

TEST(KernelImage, AnImageWithoutCertificatesIsNotSigned) {
  auto bytes = MadeKernel("6.1.0");
  Store<uint32_t>(bytes.data() + kMadeCertificateSizeOffset, 0, Endian::kLittle);
  EXPECT_FALSE(ParseKernelImage(bytes).value().is_signed);
}

TEST(KernelImage, AnImageWithoutPeHeaderIsNotSigned) {
  auto bytes = MadeKernel("6.1.0");
  Store<uint32_t>(bytes.data() + 0x3c, 0xffffff, Endian::kLittle);
  EXPECT_FALSE(ParseKernelImage(bytes).value().is_signed);
}

TEST(KernelImage, RefusesWhatIsNoBzImage) {
  auto bytes = MadeKernel("6.1.0");
  Store<uint32_t>(bytes.data() + 0x202, 0, Endian::kLittle);
  EXPECT_EQ(ParseKernelImage(bytes).error().code(), ErrorCode::kUnsupported);
}

TEST(KernelImage, RefusesAnOldBootProtocol) {
  auto bytes = MadeKernel("6.1.0");
  Store<uint16_t>(bytes.data() + 0x206, 0x20b, Endian::kLittle);
  EXPECT_EQ(ParseKernelImage(bytes).error().code(), ErrorCode::kUnsupported);
}

TEST(KernelImage, RefusesAVersionBehindTheEnd) {
  auto bytes = MadeKernel("6.1.0");
  Store<uint16_t>(bytes.data() + 0x20e, 0xffff, Endian::kLittle);
  EXPECT_EQ(ParseKernelImage(bytes).error().code(), ErrorCode::kTruncated);
}

TEST(KernelImage, RefusesAnEmptyVersion) {
  EXPECT_EQ(ParseKernelImage(MadeKernel("")).error().code(), ErrorCode::kCorrupt);
}

TEST(KernelImage, RefusesACutHeader) {
  auto bytes = MadeKernel("6.1.0");
  for (size_t size : {size_t{0}, size_t{1}, size_t{0x204}, size_t{0x230}}) {
    EXPECT_EQ(ParseKernelImage(std::span(bytes).first(size)).error().code(), ErrorCode::kTruncated)
        << size;
  }
}

// The kernel would load it, and find out after the crash.
TEST(KernelImage, RefusesAnImageThatIsShorterThanItsHeaderSays) {
  auto bytes = MadeKernel("6.1.0");
  ASSERT_TRUE(ParseKernelImage(bytes));
  bytes.pop_back();
  EXPECT_EQ(ParseKernelImage(bytes).error().code(), ErrorCode::kTruncated);
}

TEST(KernelImage, NoSetupSectorsMeansFour) {
  auto bytes = MadeKernel("6.1.0");
  bytes[0x1f1] = std::byte{0};
  Store<uint32_t>(bytes.data() + 0x1f4, (0x2000 - 5 * 512) / 16, Endian::kLittle);
  EXPECT_TRUE(ParseKernelImage(bytes));
  bytes.pop_back();
  EXPECT_EQ(ParseKernelImage(bytes).error().code(), ErrorCode::kTruncated);
}

}  // namespace
}  // namespace hmem::loader
