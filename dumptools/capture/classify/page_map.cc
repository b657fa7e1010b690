// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/classify/page_map.h"

#include "arch/arch.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::capture {

Result<std::unique_ptr<PageMap>> PageMap::Open(const source::MemorySource& source,
                                               const types::TypeDb* types, Findings& findings) {
  Findings addressing;  // whoever reads the dump meets it again
  HMEM_ASSIGN(auto vmcoreinfo, space::Vmcoreinfo::FromSource(source, addressing));
  HMEM_ASSIGN(const arch::Arch* arch,
              arch::FindArch(source.elf_machine(), source.word_bytes(), source.endian()));
  std::unique_ptr<PageMap> made(new PageMap);
  HMEM_ASSIGN(auto memory, space::AddressSpace::Create(source, *arch, vmcoreinfo, addressing));
  made->memory_ = std::move(memory);
  HMEM_ASSIGN(auto map,
              walk::MemMap::Create(vmcoreinfo, *made->memory_, types, source.page_bytes()));
  made->map_ = std::move(map);
  HMEM_ASSIGN(made->layout_,
              PageLayout::Make(vmcoreinfo, types, source.endian(), source.word_bytes(), findings));
  return made;
}

}  // namespace hmem::capture
