// SPDX-License-Identifier: GPL-2.0-or-later
// A BTF blob, every type of it described, named and searched for a member.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dumptools/types/btf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint32_t kMaxTypes = 256;  // described of one input: time, not a limit of the parser
  const auto bytes = std::as_bytes(std::span(data, size));
  auto btf = hmem::types::Btf::Parse({bytes.begin(), bytes.end()}, 8);
  if (!btf) return 0;
  const auto end = static_cast<uint32_t>(std::min<size_t>((*btf)->type_count() + 2, kMaxTypes));
  for (uint32_t id = 0; id < end; ++id) {
    (void)(*btf)->NameOf(id);
    (void)(*btf)->Member(id, "a.b[1].c");
    auto info = (*btf)->Describe(id);
    if (info && !info->name.empty()) (void)(*btf)->Find(info->name);
  }
  (void)(*btf)->Enumerator("MOD_TEXT");
  auto split = hmem::types::Btf::Parse({bytes.begin(), bytes.end()}, 8, btf->get());
  if (split) (void)(*split)->Describe(end);
  return 0;
}
