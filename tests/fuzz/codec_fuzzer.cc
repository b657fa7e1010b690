// SPDX-License-Identifier: GPL-2.0-or-later
// First byte: which codec; the next two: the size unpacked to. The rest is unpacked as it is, and
// packed and unpacked again.
#include <algorithm>
#include <cstdlib>
#include <span>
#include <vector>

#include "hmem/codec/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  auto codecs = hmem::codec::AllCodecs();
  const hmem::codec::Codec& codec = *codecs[data[0] % codecs.size()];
  std::vector<std::byte> out(data[1] | data[2] << 8);
  std::span<const std::byte> input = std::as_bytes(std::span(data + 3, size - 3));
  (void)codec.unpack(input, out);

  if (codec.pack == nullptr) return 0;
  std::vector<std::byte> packed(codec.bound(input.size()));
  auto n = codec.pack(input, packed, 1);
  if (!n) std::abort();
  std::vector<std::byte> again(input.size());
  if (!codec.unpack(std::span(packed).first(*n), again)) std::abort();
  if (!std::equal(again.begin(), again.end(), input.begin())) std::abort();
  // Too little room is an error, never an overrun.
  std::vector<std::byte> tight(*n / 2);
  if (*n > 1 && codec.pack(input, tight, 1)) std::abort();
  return 0;
}
