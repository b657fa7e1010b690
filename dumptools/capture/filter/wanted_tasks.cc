// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/filter/wanted_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/walk/cpus.h"
#include "dumptools/walk/tasks.h"

namespace hmem::capture {

using walk::Kernel;
using walk::Task;

namespace {

// 1 TiB of user memory mapped page by page has half a million tables. More than RAM has pages lie
// in several places of the tree.
constexpr uint64_t kMaxTables = 1 << 19;

class LeafCollector final : public arch::TableVisitor {
 public:
  LeafCollector(const Kernel& kernel, std::chrono::steady_clock::time_point until, PfnRuns& pages)
      : kernel_(kernel),
        until_(until),
        pages_(pages),
        most_tables_(std::min(kMaxTables, CountRamPages(kernel.source()))) {}

  bool Table(PhysAddr, uint64_t) override {
    late_ = late_ || std::chrono::steady_clock::now() >= until_;
    return !full_ && !late_ && ++tables_ <= most_tables_;
  }
  void Leaf(const arch::Mapping& mapping) override {
    const uint64_t page_bytes = kernel_.source().page_bytes();
    PfnRange pages{Pfn(mapping.phys.value / page_bytes),
                   Pfn((mapping.phys.value + mapping.virt.size()) / page_bytes)};
    if (!full_ && !pages_.Add(pages)) full_ = true;
  }
  void Unreadable(PhysAddr start, const Error& error) override {
    lost_ = fmt::format("page table at phys {:#x}: {}", start.value, error.ToString());
  }

  bool late() const { return late_; }
  bool full() const { return full_; }
  bool has_more_tables() const { return tables_ > most_tables_; }
  const std::string& lost() const { return lost_; }

 private:
  const Kernel& kernel_;
  std::chrono::steady_clock::time_point until_;
  PfnRuns& pages_;
  uint64_t most_tables_;
  bool late_ = false;
  uint64_t tables_ = 0;
  bool full_ = false;
  std::string lost_;
};

std::string NameOf(const Wanted& wanted) {
  switch (wanted.kind) {
    case Wanted::Kind::kCrashing:
      return "task:crashing";
    case Wanted::Kind::kPid:
      return fmt::format("task:{}", wanted.pid);
    default:
      return fmt::format("task:{}", wanted.comm);
  }
}

// Address spaces of the processes that are meant.
std::set<uint64_t> AddressSpacesOf(const Kernel& kernel, const Wanted& wanted) {
  std::set<uint64_t> spaces;
  Findings damage;  // the record tells of it
  if (wanted.kind == Wanted::Kind::kCrashing) {
    for (const walk::Cpu& cpu : walk::ReadCpus(kernel, damage)) {
      if (cpu.crashed && cpu.current && cpu.current->mm.value != 0)
        spaces.insert(cpu.current->mm.value);
    }
    return spaces;
  }
  // Without a way to the tasks there are none.
  (void)walk::ForEachTask(kernel, false, damage, [&](const Task& task) {
    bool meant = wanted.kind == Wanted::Kind::kPid
                     ? task.pid == wanted.pid || task.tgid == wanted.pid
                     : task.comm == wanted.comm;
    if (meant && !task.kernel_thread && task.mm.value != 0) spaces.insert(task.mm.value);
    return true;
  });
  return spaces;
}

}  // namespace

void CollectTask(const Kernel& kernel, const Wanted& wanted,
                 std::chrono::steady_clock::time_point until, PfnRuns& pages, Findings& findings) {
  const std::string name = NameOf(wanted);
  auto told = [&](std::string_view why) {
    findings.Add(Severity::kInfo, "filter.keep", fmt::format("{}: {}", name, why),
                 "not all user memory that was to be kept was found");
  };
  if (kernel.arch().visit_tables == nullptr)
    return told(fmt::format("page tables of {} are not gone through", kernel.arch().name));
  std::set<uint64_t> spaces = AddressSpacesOf(kernel, wanted);
  if (spaces.empty()) return told("no such process, or none with user memory");
  for (uint64_t mm : spaces) {
    auto root = kernel.MemberPointer(VirtAddr(mm), "mm_struct", "pgd");
    if (!root) {
      told(root.error().ToString());
      continue;
    }
    auto mapping = kernel.memory().Translate(*root);
    if (!mapping) {
      told(mapping.error().ToString());
      continue;
    }
    arch::TranslationFacts facts = kernel.memory().facts();
    facts.root = mapping->phys + (*root - mapping->virt.start);
    LeafCollector leaves(kernel, until, pages);
    kernel.arch().visit_tables(kernel.source(), facts, arch::Half::kUser, leaves);
    if (leaves.full()) told("there is no room for more runs of pages");
    if (leaves.has_more_tables()) told("more page tables than any process has");
    if (leaves.late()) told("going through page tables took too long");
    if (!leaves.lost().empty()) told(leaves.lost());
  }
}

}  // namespace hmem::capture
