// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/module_file.h"

#include <fmt/format.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

namespace hmem::loader {
namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t kStepBytes = 256 * 1024;
constexpr uint64_t kXzMemoryBytes = 128 << 20;

// Makes room for more output. kLimit.
Status Grow(Bytes* out, size_t used) {
  if (used >= kMaxModuleBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("more than {} bytes unpacked", kMaxModuleBytes));
  }
  if (out->size() - used < kStepBytes)
    out->resize(std::min(used + std::max(used, kStepBytes), kMaxModuleBytes));
  return {};
}

Result<Bytes> UnpackGzip(std::span<const std::byte> in) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  if (inflateInit2(&stream, kGzipWindow) != Z_OK)
    return Fail(ErrorCode::kLimit, "gzip: out of memory");
  std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, &inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  Bytes out;
  size_t used = 0;
  for (;;) {
    HMEM_TRY(Grow(&out, used));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(out.size() - used);
    int status = inflate(&stream, Z_NO_FLUSH);
    size_t now = out.size() - stream.avail_out;
    if (status == Z_STREAM_END) {
      out.resize(now);
      return out;
    }
    if (status != Z_OK || now == used) return Fail(ErrorCode::kCorrupt, "gzip: damaged or cut");
    used = now;
  }
}

Result<Bytes> UnpackXz(std::span<const std::byte> in) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kXzMemoryBytes, 0) != LZMA_OK)
    return Fail(ErrorCode::kLimit, "xz: out of memory");
  std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> owner(&stream, &lzma_end);
  stream.next_in = reinterpret_cast<const uint8_t*>(in.data());
  stream.avail_in = in.size();
  Bytes out;
  size_t used = 0;
  for (;;) {
    HMEM_TRY(Grow(&out, used));
    stream.next_out = reinterpret_cast<uint8_t*>(out.data() + used);
    stream.avail_out = out.size() - used;
    lzma_ret status = lzma_code(&stream, LZMA_FINISH);
    size_t now = out.size() - stream.avail_out;
    if (status == LZMA_STREAM_END) {
      out.resize(now);
      return out;
    }
    if (status == LZMA_MEMLIMIT_ERROR)
      return Fail(ErrorCode::kLimit, "xz: needs more than 128 MiB to unpack");
    if (status != LZMA_OK || now == used) return Fail(ErrorCode::kCorrupt, "xz: damaged or cut");
    used = now;
  }
}

Result<Bytes> UnpackZstd(std::span<const std::byte> in) {
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (!context) return Fail(ErrorCode::kLimit, "zstd: out of memory");
  ZSTD_inBuffer input{in.data(), in.size(), 0};
  Bytes out;
  size_t used = 0;
  for (;;) {
    HMEM_TRY(Grow(&out, used));
    ZSTD_outBuffer output{out.data(), out.size(), used};
    size_t left = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(left))
      return Fail(ErrorCode::kCorrupt, fmt::format("zstd: {}", ZSTD_getErrorName(left)));
    if (left == 0) {
      out.resize(output.pos);
      return out;
    }
    if (output.pos == used && input.pos == input.size)
      return Fail(ErrorCode::kCorrupt, "zstd: cut");
    used = output.pos;
  }
}

Result<Bytes> UnpackAny(std::string_view file_name, std::span<const std::byte> bytes) {
  if (file_name.ends_with(".ko.gz")) return UnpackGzip(bytes);
  if (file_name.ends_with(".ko.xz")) return UnpackXz(bytes);
  if (file_name.ends_with(".ko.zst")) return UnpackZstd(bytes);
  if (file_name.ends_with(".ko")) return Bytes(bytes.begin(), bytes.end());
  return Fail(ErrorCode::kUnsupported, "none of .ko, .ko.gz, .ko.xz, .ko.zst");
}

}  // namespace

Result<Bytes> UnpackModule(std::string_view file_name, std::span<const std::byte> bytes) {
  HMEM_ASSIGN(Bytes module, Within(file_name, UnpackAny(file_name, bytes)));
  constexpr char kElfMagic[] = {'\x7f', 'E', 'L', 'F'};
  if (module.size() < sizeof kElfMagic ||
      std::memcmp(module.data(), kElfMagic, sizeof kElfMagic) != 0) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: not an ELF file", file_name));
  }
  return module;
}

std::string ModuleName(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1));
  name.resize(std::min(name.find(".ko"), name.size()));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace hmem::loader
