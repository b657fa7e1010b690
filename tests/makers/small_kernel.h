// SPDX-License-Identifier: GPL-2.0-or-later
// A whole crashed kernel in 8 MiB of physical memory: page tables, struct pages, VMCOREINFO,
// kallsyms, BTF, tasks and a module, all in RAM that a capture saves. A test spoils one thing and
// takes a dump of it.
//
//   SmallKernel kernel;
//   kernel.Put(kernel.StructPage(Pfn(0x345)) + 8, 1);
//   kernel.vmcoreinfo += "SIZE(page)=0\n";
//   const fakes::FakeSource& source = kernel.Source();
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "hmem/base/address.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/memmap_maker.h"

namespace hmem::makers {

class SmallKernel {
 public:
  static constexpr uint64_t kPages = 2048;  // of RAM, from pfn 0 on; none of them is all zero
  static constexpr VirtAddr kDirectMap{0xffff888000000000};
  static constexpr VirtAddr kImage{0xffffffff80000000};
  // What is not the kernel's own.
  static constexpr PfnRange kAnonymous{Pfn(0x200), Pfn(0x210)};  // the memory of process 17
  static constexpr PfnRange kCache{Pfn(0x240), Pfn(0x250)};
  static constexpr PfnRange kSlab{Pfn(0x300), Pfn(0x308)};  // one compound page, as is the next
  static constexpr PfnRange kHuge{Pfn(0x340), Pfn(0x380)};
  static constexpr PfnRange kFree{Pfn(0x400), Pfn(0x600)};  // one block, as is the next
  static constexpr PfnRange kFreeToo{Pfn(0x600), Pfn(0x700)};
  // Where things lie.
  static constexpr PhysAddr kTables{0x100000};  // the root first
  static constexpr PhysAddr kUserTables{0x1c0000};
  static constexpr VirtAddr kInitTask{0xffffffff80180000};
  static constexpr VirtAddr kTask{0xffff888000181000};     // process 1; then 17 and its thread 18
  static constexpr uint64_t kTaskBytes = 0x100;            // from one to the next
  static constexpr VirtAddr kSignals{0xffff888000182000};  // of init_task, 1 and 17, 0x40 each
  static constexpr VirtAddr kModuleList{0xffffffff80184000};
  static constexpr VirtAddr kModule{0xffff888000185000};
  static constexpr VirtAddr kPerCpuUnitSize{0xffffffff80187000};
  static constexpr VirtAddr kCpuLimit{0xffffffff80187008};              // nr_cpu_ids
  static constexpr uint64_t kTasksOffset = 32, kThreadNodeOffset = 48;  // in task_struct
  static constexpr uint64_t kModuleSizeOffset = 40;                     // in struct module

  explicit SmallKernel(MemMapMaker::Kind kind = MemMapMaker::Kind::kType);

  // Overwrites a word of the kernel's memory.
  void Put(VirtAddr at, uint64_t value) { memory.memory.PutU64(PhysOf(at), value); }
  void Put(PhysAddr at, uint64_t value) { memory.memory.PutU64(at, value); }
  static VirtAddr StructPage(Pfn pfn) {
    return MemMapMaker::kVmemmap + pfn.value * MemMapMaker::kStructPageBytes;
  }
  static PhysAddr PhysOf(VirtAddr at);
  // Takes the lines that begin so out of `vmcoreinfo`.
  void Without(std::string_view key);
  // Everything that leads from one thing to the next: tables, struct pages, lists, symbols, types.
  static constexpr std::array<PhysRange, 8> kSpots = {{
      {PhysAddr(0x10000), PhysAddr(0x10040)},    // roots of mem_section
      {PhysAddr(0x20000), PhysAddr(0x20040)},    // sections
      {PhysAddr(0x100000), PhysAddr(0x10a000)},  // page tables
      {PhysAddr(0x140000), PhysAddr(0x140200)},  // init_uts_ns
      {PhysAddr(0x150000), PhysAddr(0x150800)},  // BTF
      {PhysAddr(0x160000), PhysAddr(0x161000)},  // kallsyms
      {PhysAddr(0x180000), PhysAddr(0x188000)},  // tasks, modules, per-CPU offsets
      {PhysAddr(0x1c0000), PhysAddr(0x1c4000)},  // page tables of process 17
  }};
  static constexpr PhysRange kStructPages{PhysAddr(0x1e0000), PhysAddr(0x200000)};

  // The machine, with `vmcoreinfo` as its note; without one where that is empty.
  const fakes::FakeSource& Source();

  fakes::FakeSource memory;
  std::string vmcoreinfo;

 private:
  void PutTables();
  void PutPages(MemMapMaker::Kind kind);
  void PutSymbolsAndTypes();
  void PutTasks();
  void PutModule();
  // A ring of list_heads.
  void PutList(std::initializer_list<VirtAddr> heads);
  // What was made in virtual memory, to its place.
  void Place(const fakes::FakeVirtMemory& virt);
};

}  // namespace hmem::makers
