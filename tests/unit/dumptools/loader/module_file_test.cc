// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/module_file.h"

#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>

namespace hmem::loader {
namespace {

using Bytes = std::vector<std::byte>;

// An ELF magic and something that packs well, larger than one unpacking step.
Bytes Module() {
  Bytes bytes(700'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 251);
  std::memcpy(bytes.data(),
              "\x7f"
              "ELF",
              4);
  return bytes;
}

Bytes Gzip(const Bytes& in) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(deflateBound(&stream, in.size()) + 64);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes Xz(const Bytes& in) {
  Bytes out(lzma_stream_buffer_bound(in.size()));
  size_t used = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr,
                                    reinterpret_cast<const uint8_t*>(in.data()), in.size(),
                                    reinterpret_cast<uint8_t*>(out.data()), &used, out.size()),
            LZMA_OK);
  out.resize(used);
  return out;
}

Bytes Zstd(const Bytes& in) {
  Bytes out(ZSTD_compressBound(in.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 1));
  return out;
}

ErrorCode Refusal(std::string_view name, const Bytes& bytes) {
  auto module = UnpackModule(name, bytes);
  EXPECT_FALSE(module);
  EXPECT_NE(module.error().ToString().find(name), std::string::npos);
  return module.error().code();
}

TEST(ModuleFile, UnpacksEveryPackingThatDistributionsUse) {
  EXPECT_EQ(UnpackModule("a.ko", Module()).value(), Module());
  EXPECT_EQ(UnpackModule("a.ko.gz", Gzip(Module())).value(), Module());
  EXPECT_EQ(UnpackModule("a.ko.xz", Xz(Module())).value(), Module());
  EXPECT_EQ(UnpackModule("a.ko.zst", Zstd(Module())).value(), Module());
}

TEST(ModuleFile, RefusesCutFiles) {
  for (auto [name, bytes] : {std::pair{"a.ko.gz", Gzip(Module())},
                             {"a.ko.xz", Xz(Module())},
                             {"a.ko.zst", Zstd(Module())}}) {
    bytes.resize(bytes.size() / 2);
    EXPECT_EQ(Refusal(name, bytes), ErrorCode::kCorrupt) << name;
  }
}

TEST(ModuleFile, RefusesFilesThatAreNotPackedAsTheirNameSays) {
  for (std::string_view name : {"a.ko.gz", "a.ko.xz", "a.ko.zst"})
    EXPECT_EQ(Refusal(name, Module()), ErrorCode::kCorrupt);
}

TEST(ModuleFile, RefusesEmptyFiles) {
  for (std::string_view name : {"a.ko", "a.ko.gz", "a.ko.xz", "a.ko.zst"})
    EXPECT_EQ(Refusal(name, {}), ErrorCode::kCorrupt);
}

TEST(ModuleFile, RefusesWhatUnpacksToSomethingElseThanElf) {
  EXPECT_EQ(Refusal("a.ko.xz", Xz(Bytes(100))), ErrorCode::kCorrupt);
}

TEST(ModuleFile, RefusesAnUnknownEnding) {
  EXPECT_EQ(Refusal("a.ko.lzo", Module()), ErrorCode::kUnsupported);
}

TEST(ModuleName, IsWhatLsmodShows) {
  EXPECT_EQ(ModuleName("kernel/arch/x86/crypto/crc32c-intel.ko.xz"), "crc32c_intel");
  EXPECT_EQ(ModuleName("/sys/module/virtio_pci"), "virtio_pci");
}

}  // namespace
}  // namespace hmem::loader
