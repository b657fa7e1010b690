// SPDX-License-Identifier: GPL-2.0-or-later
// The text of a VMCOREINFO note, and what both architectures make of it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "arch/arch.h"
#include "hmem/space/vmcoreinfo.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hmem::Findings findings;
  const auto info = hmem::space::Vmcoreinfo::Parse(
      std::string_view(reinterpret_cast<const char*>(data), size), findings);
  if (info.all().size() > hmem::space::Vmcoreinfo::kMaxKeys) __builtin_trap();
  for (const auto& [key, value] : info.all()) {
    if (info.Text(key) != value) __builtin_trap();
    (void)info.Number(key);
  }
  for (const hmem::arch::Arch* arch : hmem::arch::AllArchs()) {
    auto facts = arch->translation_facts([&](std::string_view key) { return info.Number(key); });
    if (facts) (void)arch->fixed_translation(*facts, facts->fixed.start);
  }
  return 0;
}
