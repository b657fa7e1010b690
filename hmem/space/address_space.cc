// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/address_space.h"

#include <fmt/format.h>

#include <algorithm>

namespace hmem::space {
namespace {

constexpr uint64_t kSmallShift = 12;
constexpr uint64_t kLargeShift = 21;
constexpr uint64_t kSmallPageBytes = 1 << kSmallShift;

// struct new_utsname: six texts of 65 bytes; release is the third.
constexpr uint64_t kReleaseOffset = 2 * 65;
constexpr uint64_t kReleaseBytes = 65;

// The dump does not hold the bytes: nothing is said about where they lie.
bool IsAbsence(ErrorCode code) {
  return code == ErrorCode::kExcluded || code == ErrorCode::kTruncated || code == ErrorCode::kIo;
}

}  // namespace

Result<AddressSpace> AddressSpace::Create(const source::MemorySource& source,
                                          const arch::Arch& arch, const Vmcoreinfo& vmcoreinfo,
                                          Findings& findings) {
  if (arch.translate == nullptr && arch.fixed_translation == nullptr &&
      source.virt_segments().empty()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: virtual addresses are not translated", arch.name));
  }
  AddressSpace space(source, arch);
  std::string tables_reason;
  Check tables = Check::kWrong;
  if (arch.translation_facts == nullptr || arch.translate == nullptr) {
    tables_reason = fmt::format("{}: page tables are not read", arch.name);
  } else if (auto facts = arch.translation_facts(
                 [&](std::string_view key) { return vmcoreinfo.Number(key); })) {
    space.facts_ = *facts;
    space.have_tables_ = true;
    tables = space.CheckRelease(vmcoreinfo, tables_reason);
    if (tables == Check::kGood) return space;
  } else {
    tables_reason = facts.error().ToString();
  }

  // Not proven: what do the fixed mapping and the hints alone say?
  space.have_tables_ = false;
  space.small_ = {};
  space.large_ = {};
  std::string fixed_reason;
  Check fixed = space.CheckRelease(vmcoreinfo, fixed_reason);
  if (tables == Check::kWrong && fixed == Check::kWrong) {
    return Fail(ErrorCode::kCorrupt, fmt::format("page tables: {}; fixed mapping and PT_LOAD: {}",
                                                 tables_reason, fixed_reason));
  }
  if (tables == Check::kWrong) {
    findings.Add(Severity::kLoss, "space.tables", tables_reason,
                 "the page tables do not lead to OSRELEASE; only the kernel image and PT_LOAD "
                 "ranges are translated");
  } else {
    space.have_tables_ = true;
    space.small_ = {};
    space.large_ = {};
    findings.Add(Severity::kLoss, "space.unchecked", tables_reason,
                 "the translation could not be checked against OSRELEASE");
  }
  return space;
}

AddressSpace::Check AddressSpace::CheckRelease(const Vmcoreinfo& vmcoreinfo,
                                               std::string& reason) const {
  std::optional<VirtAddr> uts = vmcoreinfo.Symbol("init_uts_ns");
  std::optional<std::string_view> release = vmcoreinfo.Text("OSRELEASE");
  if (!uts || !release) {
    reason = "VMCOREINFO: no SYMBOL(init_uts_ns) or no OSRELEASE";
    return Check::kUnknown;
  }
  // struct uts_namespace began with a kref before 5.11, and the offset was not exported.
  std::optional<uint64_t> offset = vmcoreinfo.Offset("uts_namespace.name");
  for (uint64_t name_offset : {offset.value_or(0), offset.value_or(4)}) {
    std::array<std::byte, kReleaseBytes> bytes;
    VirtAddr at = *uts + name_offset + kReleaseOffset;
    if (Status status = Read(at, bytes); !status) {
      reason = status.error().Within("init_uts_ns").ToString();
      return IsAbsence(status.error().code()) ? Check::kUnknown : Check::kWrong;
    }
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.substr(0, text.find('\0')) == *release) return Check::kGood;
  }
  reason =
      fmt::format("init_uts_ns at virt {:#x} does not hold the release {}", uts->value, *release);
  return Check::kWrong;
}

std::optional<arch::Mapping> AddressSpace::TranslateWithoutTables(VirtAddr addr) const {
  const VirtAddr page(addr.value & ~(kSmallPageBytes - 1));
  if (arch_->fixed_translation != nullptr) {
    if (auto phys = arch_->fixed_translation(facts_, page)) {
      return arch::Mapping{.virt = {page, page + kSmallPageBytes}, .phys = *phys};
    }
  }
  for (const source::VirtSegment& segment : source_->virt_segments()) {
    if (!segment.virt.contains(addr)) continue;
    // The page, or as much of it as the segment has.
    VirtAddr start = std::max(page, segment.virt.start);
    VirtAddr end = std::min(page + kSmallPageBytes, segment.virt.end);
    return arch::Mapping{.virt = {start, end}, .phys = segment.phys + (start - segment.virt.start)};
  }
  return std::nullopt;
}

Result<arch::Mapping> AddressSpace::TranslateUncached(VirtAddr addr) const {
  if (have_tables_) {
    Result<arch::Mapping> mapping = arch_->translate(*source_, facts_, addr);
    if (mapping || mapping.error().code() == ErrorCode::kNotMapped) return mapping;
    if (auto other = TranslateWithoutTables(addr)) return *other;
    return mapping;
  }
  if (auto mapping = TranslateWithoutTables(addr)) return *mapping;
  return Fail(ErrorCode::kNotMapped,
              fmt::format("virt {:#x}: in no fixed mapping and no PT_LOAD", addr.value));
}

Result<arch::Mapping> AddressSpace::Translate(VirtAddr addr) const {
  arch::Mapping& small = small_[(addr.value >> kSmallShift) % kSmallEntries];
  if (small.virt.contains(addr)) return small;
  arch::Mapping& large = large_[(addr.value >> kLargeShift) % kLargeEntries];
  if (large.virt.contains(addr)) return large;
  HMEM_ASSIGN(arch::Mapping mapping, TranslateUncached(addr));
  // The last byte of the address space has no half-open range.
  if (!mapping.virt.contains(addr)) {
    return Fail(ErrorCode::kNotMapped, fmt::format("virt {:#x}: not addressable", addr.value));
  }
  (mapping.virt.size() <= kSmallPageBytes ? small : large) = mapping;
  return mapping;
}

Result<AddressSpace::Run> AddressSpace::RunAt(VirtAddr addr, uint64_t bytes) const {
  HMEM_ASSIGN(arch::Mapping mapping, Translate(addr));
  Run run{.phys = mapping.phys + (addr - mapping.virt.start),
          .bytes = std::min<uint64_t>(bytes, mapping.virt.end - addr)};
  while (run.bytes < bytes) {
    Result<arch::Mapping> next = Translate(addr + run.bytes);
    if (!next || next->phys + (addr + run.bytes - next->virt.start) != run.phys + run.bytes) break;
    run.bytes = std::min<uint64_t>(bytes, next->virt.end - addr);
  }
  return run;
}

Status AddressSpace::Read(VirtAddr addr, std::span<std::byte> out) const {
  while (!out.empty()) {
    HMEM_ASSIGN(Run run, RunAt(addr, out.size()));
    if (Status status = source_->Read(run.phys, out.first(run.bytes)); !status) {
      return std::unexpected(
          std::move(status).error().Within(fmt::format("virt {:#x}", addr.value)));
    }
    out = out.subspan(run.bytes);
    addr = addr + run.bytes;
  }
  return {};
}

std::optional<std::span<const std::byte>> AddressSpace::Borrow(VirtAddr addr,
                                                               uint64_t bytes) const {
  if (bytes == 0) return std::nullopt;
  Result<Run> run = RunAt(addr, bytes);
  if (!run || run->bytes != bytes) return std::nullopt;
  return source_->Borrow({run->phys, run->phys + bytes});
}

}  // namespace hmem::space
