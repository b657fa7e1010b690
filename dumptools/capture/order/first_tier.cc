// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/order/first_tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/walk/cpu_masks.h"
#include "dumptools/walk/modules.h"
#include "dumptools/walk/printk.h"
#include "dumptools/walk/tasks.h"

namespace hmem::capture {

using walk::Kernel;

namespace {

// No kernel's image, log or module is larger; what says so is damage.
constexpr uint64_t kMaxRangeBytes = uint64_t{1} << 30;
// A table of large pages maps 1 GiB: more than that belong to a machine of 64 TiB, or of 128 GiB
// mapped page by page, or lie in several places of the tree; as do more than RAM has pages.
constexpr uint64_t kMaxTables = 1 << 16;
// Pages that should be mapped and are not, in all ranges together: those between the parts of an
// image are fewer by far.
constexpr uint64_t kMaxUnmappedPages = 1 << 13;
constexpr uint64_t kDefaultStackBytes = 16 << 10;

class Collector : public arch::TableVisitor {
 public:
  Collector(const Kernel& kernel, std::chrono::steady_clock::time_point until, PfnRuns& pages,
            Findings& findings)
      : kernel_(kernel),
        until_(until),
        pages_(pages),
        findings_(findings),
        most_tables_(std::min(kMaxTables, CountRamPages(kernel.source()))) {}

  void Log();
  void Image();
  void PerCpuAreas();
  void Tasks();
  void Modules();
  void Tables();

  bool Table(PhysAddr start, uint64_t bytes) override {
    if (++tables_ > most_tables_) {
      Told("page tables", "more tables than any kernel has");
      return false;
    }
    return AddPhys({start, start + bytes}) && !TimeIsUp();
  }
  void Leaf(const arch::Mapping&) override {}
  void Unreadable(PhysAddr start, const Error& error) override {
    Told(fmt::format("page table at phys {:#x}", start.value), error.ToString());
  }

 private:
  bool TimeIsUp() {
    if (std::chrono::steady_clock::now() < until_) return false;
    Told("time", "walking took too long");
    return true;
  }
  bool AddPhys(PhysRange range);
  // False: it is of no use to go on.
  bool AddVirt(VirtRange range, std::string_view what);
  void Told(std::string_view place, std::string_view why) {
    findings_.Add(Severity::kInfo, "order.first-tier", fmt::format("{}: {}", place, why),
                  "some of what should come first was not found, and comes later");
  }

  const Kernel& kernel_;
  std::chrono::steady_clock::time_point until_;
  PfnRuns& pages_;
  Findings& findings_;
  uint64_t most_tables_;
  uint64_t tables_ = 0;
  uint64_t unmapped_pages_ = 0;
};

bool Collector::AddPhys(PhysRange range) {
  const uint64_t page_bytes = kernel_.source().page_bytes();
  PfnRange pages{Pfn(range.start.value / page_bytes),
                 Pfn((range.end.value + page_bytes - 1) / page_bytes)};
  if (pages_.Add(pages)) return true;
  Told("table", "there is no room for more runs of pages");
  return false;
}

bool Collector::AddVirt(VirtRange range, std::string_view what) {
  if (range.empty() || range.size() > kMaxRangeBytes) {
    Told(what, fmt::format("virt {:#x} to {:#x}", range.start.value, range.end.value));
    return true;
  }
  for (VirtAddr at = range.start; at < range.end;) {
    if (TimeIsUp()) return false;
    auto mapping = kernel_.memory().Translate(at);
    if (!mapping) {
      Told(what, mapping.error().ToString());
      if (++unmapped_pages_ > kMaxUnmappedPages) {
        Told(what, "more pages are not mapped than any kernel leaves out");
        return false;
      }
      at = VirtAddr((at.value | 4095) + 1);
      if (at.value == 0) return true;
      continue;
    }
    const VirtAddr end = std::min(mapping->virt.end, range.end);
    const PhysAddr phys = mapping->phys + (at - mapping->virt.start);
    if (!AddPhys({phys, phys + (end - at)})) return false;
    at = end;
  }
  return true;
}

void Collector::Log() {
  auto ranges = walk::LogMemory(kernel_.memory(), kernel_.vmcoreinfo());
  if (!ranges) return Told("log", ranges.error().ToString());
  for (const VirtRange& range : *ranges) {
    if (!AddVirt(range, "log")) return;
  }
}

void Collector::Image() {
  auto start = kernel_.SymbolAddress("_text");
  if (!start) start = kernel_.SymbolAddress("_stext");
  auto end = kernel_.SymbolAddress("_end");
  if (!start || !end) {
    return Told("image", (start ? end : start).error().ToString());
  }
  AddVirt({*start, *end}, "image");
}

void Collector::PerCpuAreas() {
  auto start = kernel_.SymbolAddress("__per_cpu_start");
  auto end = kernel_.SymbolAddress("__per_cpu_end");
  if (!start || !end) return Told("per-CPU areas", (start ? end : start).error().ToString());
  uint64_t bytes = *end - *start;
  // A unit has room for what is allocated at run time behind the variables of the image.
  if (auto unit = kernel_.SymbolAddress("pcpu_unit_size")) {
    if (auto size = kernel_.memory().U32(*unit); size && *size > bytes) bytes = *size;
  }
  Findings damage;  // the record tells of it
  for (uint32_t cpu : walk::PossibleCpus(kernel_, damage)) {
    auto at = kernel_.PerCpuPointer(*start, cpu);
    if (!at) {
      Told(fmt::format("cpu {}", cpu), at.error().ToString());
      continue;
    }
    if (!AddVirt({*at, *at + bytes}, fmt::format("per-CPU area of cpu {}", cpu))) return;
  }
}

void Collector::Tasks() {
  const uint64_t task_bytes = kernel_.SizeOf("task_struct").value_or(4096);
  const uint64_t signal_bytes = kernel_.SizeOf("signal_struct").value_or(0);
  const uint64_t mm_bytes = kernel_.SizeOf("mm_struct").value_or(0);
  const arch::StackRules* rules = kernel_.arch().stack_rules;
  const uint64_t stack_bytes = rules != nullptr ? rules->default_stack_bytes : kDefaultStackBytes;
  auto add = [&](VirtAddr start, uint64_t bytes, std::string_view what) {
    return start.value == 0 || AddVirt({start, start + bytes}, what);
  };
  Findings damage;  // the record tells of it
  Status walked = walk::ForEachTask(kernel_, true, damage, [&](const walk::Task& task) {
    if (TimeIsUp() || !add(task.address, task_bytes, "task_struct")) return false;
    if (task.pid == task.tgid) {
      // signal_struct heads the list of the threads.
      auto signal = kernel_.MemberPointer(task.address, "task_struct", "signal");
      if (signal && !add(*signal, signal_bytes, "signal_struct")) return false;
      if (!add(task.mm, mm_bytes, "mm_struct")) return false;
    }
    // A dead task has given its stack back.
    return add(task.stack, stack_bytes, "kernel stack");
  });
  if (!walked) Told("tasks", walked.error().ToString());
}

void Collector::Modules() {
  Findings damage;
  auto modules = walk::ReadModules(kernel_, damage);
  if (!modules) return Told("modules", modules.error().ToString());
  for (const walk::Module& module : *modules) {
    for (const VirtRange& range : module.memory) {
      if (range.empty()) continue;
      if (TimeIsUp() || !AddVirt(range, module.name)) return;
    }
  }
}

void Collector::Tables() {
  if (kernel_.arch().visit_tables == nullptr)
    return Told("page tables", fmt::format("{}: not gone through", kernel_.arch().name));
  if (!kernel_.memory().uses_page_tables()) return;
  kernel_.arch().visit_tables(kernel_.source(), kernel_.memory().facts(), arch::Half::kKernel,
                              *this);
}

}  // namespace

void CollectFirstTier(const Kernel& kernel, std::chrono::steady_clock::time_point until,
                      PfnRuns& pages, Findings& findings) {
  Collector collector(kernel, until, pages, findings);
  collector.Log();
  collector.Image();
  collector.PerCpuAreas();
  collector.Tasks();
  collector.Modules();
  collector.Tables();
  pages.Seal();
}

}  // namespace hmem::capture
