// SPDX-License-Identifier: GPL-2.0-or-later
// zlib streams, as kdump-compressed pages are stored. Levels 1 to 9; 0 and below stand for 1, since
// whoever dumps waits for it.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "hmem/codec/codec.h"

namespace hmem::codec {
namespace {

size_t Bound(size_t raw_bytes) { return compressBound(raw_bytes); }

// A deflate stream of one thread, begun anew for each block. Window and hash table are no larger
// than the block needs: both are cleared each time, and for a page the library's own sizes would
// be 16 times as much.
class Deflater {
 public:
  Deflater() = default;
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  ~Deflater() { End(); }

  // Of a block of `bytes`.
  static int WindowBits(size_t bytes) {
    return std::clamp(static_cast<int>(std::bit_width(bytes - (bytes != 0))), kSmallestWindowBits,
                      kLargestWindowBits);
  }
  static int MemoryLevel(int window_bits) { return std::min(window_bits - 6, kDefaultMemoryLevel); }

  // Ready to pack a block of `bytes` at `level`.
  Status Begin(size_t bytes, int level) {
    const int window_bits = WindowBits(bytes);
    if (settings_ == Settings{level, window_bits} && deflateReset(&stream_) == Z_OK) return {};
    End();
    int status = deflateInit2(&stream_, level, Z_DEFLATED, window_bits, MemoryLevel(window_bits),
                              Z_DEFAULT_STRATEGY);
    if (status != Z_OK)
      return Fail(ErrorCode::kLimit, fmt::format("zlib: nothing to pack with: status {}", status));
    settings_ = Settings{level, window_bits};
    return {};
  }
  z_stream& stream() { return stream_; }

 private:
  static constexpr int kSmallestWindowBits = 9;
  static constexpr int kLargestWindowBits = 15;
  static constexpr int kDefaultMemoryLevel = 8;

  struct Settings {
    int level;
    int window_bits;
    bool operator==(const Settings&) const = default;
  };

  void End() {
    if (settings_) deflateEnd(&stream_);
    settings_.reset();
  }

  z_stream stream_{};
  std::optional<Settings> settings_;  // nothing: no stream
};

Result<size_t> Pack(std::span<const std::byte> raw, std::span<std::byte> out, int level) {
  constexpr size_t kMost = std::numeric_limits<uInt>::max();
  if (raw.size() > kMost)
    return Fail(ErrorCode::kLimit, fmt::format("zlib: {} bytes in a block", raw.size()));
  thread_local Deflater deflater;
  HMEM_TRY(deflater.Begin(raw.size(), std::clamp(level, Z_BEST_SPEED, Z_BEST_COMPRESSION)));
  z_stream& stream = deflater.stream();
  // The library does not write to its input, but its type says so.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(raw.data()));
  stream.avail_in = static_cast<uInt>(raw.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(std::min(out.size(), kMost));
  if (int status = deflate(&stream, Z_FINISH); status != Z_STREAM_END) {
    return Fail(ErrorCode::kLimit,
                fmt::format("zlib: {} bytes into {}: status {}", raw.size(), out.size(), status));
  }
  return static_cast<size_t>(stream.total_out);
}

// As zconf.h has it for deflate; some KiB beside it.
size_t WorkBytes(size_t block_bytes, int /*level*/) {
  const int window_bits = Deflater::WindowBits(block_bytes);
  return (size_t{1} << (window_bits + 2)) +
         (size_t{1} << (Deflater::MemoryLevel(window_bits) + 9)) + (8 << 10);
}

Status Unpack(std::span<const std::byte> packed, std::span<std::byte> out) {
  uLongf n = out.size();
  uLong used = packed.size();
  int status = uncompress2(reinterpret_cast<Bytef*>(out.data()), &n,
                           reinterpret_cast<const Bytef*>(packed.data()), &used);
  if (status != Z_OK) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("zlib: {} bytes do not unpack: status {}", packed.size(), status));
  }
  if (n != out.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("zlib: unpacks to {} bytes, expected {}", n, out.size()));
  }
  if (used != packed.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("zlib: ends after {} of {} bytes", used, packed.size()));
  }
  return {};
}

}  // namespace

const Codec& ZlibCodec() {
  static constexpr Codec kCodec{.name = "zlib",
                                .hmem_id = kNoHmemId,
                                .bound = Bound,
                                .pack = Pack,
                                .work_bytes = WorkBytes,
                                .unpack = Unpack};
  return kCodec;
}

}  // namespace hmem::codec
