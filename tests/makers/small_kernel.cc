// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/small_kernel.h"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "tests/makers/btf_maker.h"
#include "tests/makers/kallsyms_maker.h"
#include "tests/makers/log_ring_maker.h"
#include "tests/makers/page_table_maker.h"

namespace hmem::makers {
namespace {

constexpr uint64_t kPageBytes = 4096, kLargeBytes = 2 << 20;
constexpr uint64_t kRamBytes = SmallKernel::kPages * kPageBytes;
constexpr VirtAddr kUts{0xffffffff80140000}, kBtf{0xffffffff80150000};
constexpr VirtAddr kKallsyms{0xffffffff80160000}, kLog{0xffffffff80190000};
constexpr VirtAddr kMm{0xffff888000183000};
constexpr VirtAddr kModuleText{0xffffffffc0000000};
constexpr PhysAddr kModulePages{0x186000};
constexpr VirtAddr kPossibleMask{0xffffffff80187010}, kPerCpuOffsets{0xffffffff80187018};
constexpr VirtAddr kPerCpu{0xffffffff80178000};
constexpr VirtAddr kUserMemory{0x400000};
constexpr std::string_view kRelease = "6.12.0-small";

}  // namespace

SmallKernel::SmallKernel(MemMapMaker::Kind kind) {
  memory.file_path = "small kernel";
  PutTables();
  PutPages(kind);
  PutSymbolsAndTypes();
  PutTasks();
  PutModule();
  memory.memory.WriteText(PhysOf(kUts) + 2 * 65, kRelease);
  for (uint64_t pfn = 0; pfn < kPages; ++pfn) {
    const PhysAddr at(pfn * kPageBytes);
    if (!memory.memory.map().Has(at)) memory.memory.PutU64(at, pfn << 32 | 0xfeed);
  }
  vmcoreinfo += fmt::format(
      "OSRELEASE={}\nSYMBOL(init_uts_ns)={:x}\nOFFSET(uts_namespace.name)=0\n"
      "SYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)=0\nKERNELOFFSET=0\nCRASHTIME=1700000000\n",
      kRelease, kUts.value, (kImage + kTables.value).value);
}

PhysAddr SmallKernel::PhysOf(VirtAddr at) {
  if (at >= kImage) return PhysAddr(at - kImage);
  if (at >= MemMapMaker::kVmemmap) return kStructPages.start + (at - MemMapMaker::kVmemmap);
  return PhysAddr(at - kDirectMap);
}

void SmallKernel::PutTables() {
  X86PageTables tables(memory.memory, kTables, 4);
  for (uint64_t at = 0; at < kRamBytes; at += kLargeBytes) {
    tables.Map(kDirectMap + at, PhysAddr(at), kLargeBytes);
    tables.Map(kImage + at, PhysAddr(at), kLargeBytes);
  }
  for (uint64_t at = 0; at < kStructPages.size(); at += kPageBytes)
    tables.Map(MemMapMaker::kVmemmap + at, kStructPages.start + at);
  tables.Map(kModuleText, kModulePages);
  X86PageTables user(memory.memory, kUserTables, 4);
  for (uint64_t i = 0; i < kAnonymous.size(); ++i)
    user.Map(kUserMemory + i * kPageBytes, PhysAddr((kAnonymous.start + i).value * kPageBytes));
}

void SmallKernel::Place(const fakes::FakeVirtMemory& virt) {
  for (const VirtRange& range : virt.map().Ranges()) {
    for (VirtAddr at = range.start; at < range.end; at = at + kPageBytes) {
      const PhysAddr phys = PhysOf(at);
      if (phys.value >= kRamBytes) continue;  // struct pages of pfns behind RAM
      std::vector<std::byte> page(kPageBytes);
      if (!virt.Read(at, page)) std::abort();
      memory.memory.Write(phys, page);
    }
  }
}

void SmallKernel::PutPages(MemMapMaker::Kind kind) {
  fakes::FakeVirtMemory virt;
  MemMapMaker pages(virt, kind);
  pages.Section(0);
  for (uint64_t i = 0; i < kAnonymous.size(); ++i)
    pages.Page(kAnonymous.start + i, MemMapMaker::kAnon | MemMapMaker::kLru);
  for (uint64_t i = 0; i < kCache.size(); ++i) pages.Page(kCache.start + i, MemMapMaker::kLru);
  pages.Compound(kSlab.start, 3, MemMapMaker::kSlab);
  pages.Compound(kHuge.start, 6, MemMapMaker::kAnon | MemMapMaker::kLru);
  pages.Buddy(kFree.start, 9);
  pages.Buddy(kFreeToo.start, 8);
  Place(virt);
  vmcoreinfo += pages.Vmcoreinfo();
}

void SmallKernel::PutSymbolsAndTypes() {
  BtfMaker btf;
  const uint32_t u32 = btf.Int("unsigned int", 4), s32 = btf.Int("int", 4, true);
  const uint32_t character = btf.Int("char", 1), pointer = btf.Pointer(0);
  const uint32_t list = btf.Struct("list_head", 16, {{"next", pointer, 0}, {"prev", pointer, 64}});
  btf.Struct("task_struct", 120,
             {{"__state", u32, 0},
              {"flags", u32, 4 * 8},
              {"stack", pointer, 8 * 8},
              {"exit_state", s32, 16 * 8},
              {"tasks", list, kTasksOffset * 8},
              {"thread_node", list, kThreadNodeOffset * 8},
              {"pid", s32, 64 * 8},
              {"tgid", s32, 68 * 8},
              {"real_parent", pointer, 72 * 8},
              {"signal", pointer, 80 * 8},
              {"mm", pointer, 88 * 8},
              {"comm", btf.Array(character, 16), 96 * 8}});
  btf.Struct("signal_struct", 24, {{"thread_head", list, 8 * 8}});
  btf.Struct("mm_struct", 16, {{"pgd", pointer, 8 * 8}});
  const uint32_t layout = btf.Struct(
      "module_layout", 16, {{"base", pointer, 0}, {"size", u32, 64}, {"text_size", u32, 96}});
  btf.Struct("module", 96,
             {{"state", u32, 0},
              {"list", list, 8 * 8},
              {"core_layout", layout, (kModuleSizeOffset - 8) * 8},
              {"name", btf.Array(character, 40), 48 * 8}});
  const std::vector<std::byte> types = btf.Make();

  KallsymsMaker symbols({.address_code = KallsymsMaker::AddressCode::kBaseRelative});
  symbols.Add('T', "_text", (kImage + kTables.value).value)
      .Add('T', "_stext", (kImage + kTables.value).value)
      .Add('R', "__start_BTF", kBtf.value)
      .Add('R', "__stop_BTF", (kBtf + types.size()).value)
      .Add('D', "__per_cpu_start", kPerCpu.value)
      .Add('D', "__per_cpu_end", (kPerCpu + kPageBytes).value)
      .Add('D', "init_task", kInitTask.value)
      .Add('D', "modules", kModuleList.value)
      .Add('D', "pcpu_unit_size", kPerCpuUnitSize.value)
      .Add('D', "nr_cpu_ids", kCpuLimit.value)
      .Add('D', "__cpu_possible_mask", kPossibleMask.value)
      .Add('D', "__per_cpu_offset", kPerCpuOffsets.value)
      .Add('B', "_end", (kImage + kUserTables.value).value);
  fakes::FakeVirtMemory virt;
  virt.Write(kBtf, types);
  vmcoreinfo += symbols.Store(virt, kKallsyms);
  vmcoreinfo += LogRingMaker(virt, kLog, {}).Add("Kernel panic - not syncing: made").Vmcoreinfo();
  Place(virt);
  Put(kPerCpuUnitSize, 2 * kPageBytes);
  Put(kCpuLimit, 1);
  Put(kPossibleMask, 1);
  Put(kPerCpuOffsets, kPageBytes);
}

void SmallKernel::PutList(std::initializer_list<VirtAddr> heads) {
  const VirtAddr* last = heads.end() - 1;
  for (const VirtAddr& head : heads) {
    Put(*last, head.value);
    Put(head + 8, last->value);
    last = &head;
  }
}

void SmallKernel::PutTasks() {
  struct Made {
    VirtAddr at, signal;
    uint32_t pid, tgid;
    std::string_view comm;
  };
  const VirtAddr first = kTask, second = kTask + kTaskBytes, third = kTask + 2 * kTaskBytes;
  for (const Made& task :
       {Made{kInitTask, kSignals, 0, 0, "swapper/0"}, Made{first, kSignals + 0x40, 1, 1, "init"},
        Made{second, kSignals + 0x80, 17, 17, "witness"},
        Made{third, kSignals + 0x80, 18, 17, "thread"}}) {
    Put(task.at + 64, static_cast<uint64_t>(task.tgid) << 32 | task.pid);
    Put(task.at + 80, task.signal.value);
    memory.memory.WriteText(PhysOf(task.at) + 96, task.comm);
    if (task.tgid == 17) Put(task.at + 88, kMm.value);
  }
  Put(kMm + 8, (kDirectMap + kUserTables.value).value);
  PutList({kInitTask + kTasksOffset, first + kTasksOffset, second + kTasksOffset});
  PutList({kSignals + 8, kInitTask + kThreadNodeOffset});
  PutList({kSignals + 0x40 + 8, first + kThreadNodeOffset});
  PutList({kSignals + 0x80 + 8, second + kThreadNodeOffset, third + kThreadNodeOffset});
}

void SmallKernel::PutModule() {
  PutList({kModuleList, kModule + 8});
  Put(kModule + kModuleSizeOffset - 8, kModuleText.value);
  Put(kModule + kModuleSizeOffset, kPageBytes << 32 | kPageBytes);
  memory.memory.WriteText(PhysOf(kModule) + 48, "made");
}

void SmallKernel::Without(std::string_view key) {
  for (size_t at = 0; at < vmcoreinfo.size();) {
    const size_t bytes = vmcoreinfo.find('\n', at) + 1 - at;
    if (std::string_view(vmcoreinfo).substr(at).starts_with(key)) {
      vmcoreinfo.erase(at, bytes);
    } else {
      at += bytes;
    }
  }
}

const fakes::FakeSource& SmallKernel::Source() {
  memory.note_list.clear();
  if (!vmcoreinfo.empty()) memory.AddVmcoreinfo(vmcoreinfo);
  return memory;
}

}  // namespace hmem::makers
