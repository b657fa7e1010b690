// SPDX-License-Identifier: GPL-2.0-or-later
// The .hmem dump as a memory source. A file or block device, whole or cut anywhere behind its
// HEADER.
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "hmem/source/hmem_index.h"
#include "hmem/source/hmem_pages.h"
#include "hmem/source/hmem_stream.h"
#include "hmem/source/hmem_verify.h"
#include "hmem/source/source_format.h"

namespace hmem::source {
namespace {

class HmemSource final : public MemorySource {
 public:
  static Result<std::unique_ptr<MemorySource>> Open(const std::string& path) {
    HMEM_ASSIGN(HmemFile file, HmemFile::Open(path));
    Findings findings;
    HMEM_ASSIGN(HmemIndex index, HmemIndex::Build(file, findings));
    return std::unique_ptr<MemorySource>(
        new HmemSource(std::move(file), std::move(index), std::move(findings)));
  }

  std::string_view format() const override { return "hmem"; }
  const std::string& path() const override { return file_.path(); }
  uint16_t elf_machine() const override {
    return static_cast<uint16_t>(index_.header.elf_machine());
  }
  int word_bytes() const override { return static_cast<int>(index_.header.word_bytes()); }
  Endian endian() const override {
    return index_.header.big_endian() ? Endian::kBig : Endian::kLittle;
  }
  uint32_t page_bytes() const override { return index_.header.page_bytes(); }
  std::span<const PhysRange> ram() const override { return ram_; }
  std::span<const Note> notes() const override { return notes_; }
  std::span<const VirtSegment> virt_segments() const override { return virt_segments_; }
  std::span<const std::byte> first_failure() const override { return index_.first_failure; }
  DumpIdentity identity() const override {
    return {.dump_id = format::DumpIdText(index_.dump_id),
            .crash_id = index_.header.identity().crash_id(),
            .tool = index_.header.tool(),
            .source = index_.header.source()};
  }

  PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const override;

  Status Read(PhysAddr addr, std::span<std::byte> out) const override;

  bool complete() const override {
    return index_.end && index_.end->reason() == v1::DumpEnd::REASON_COMPLETE && !index_.damaged &&
           index_.end->pages_unreadable() == 0 && index_.end->pages_not_reached() == 0;
  }
  const Findings& findings() const override { return findings_; }
  Status Verify(Findings& findings) const override;

 private:
  HmemSource(HmemFile file, HmemIndex index, Findings findings)
      : file_(std::move(file)),
        index_(std::move(index)),
        findings_(std::move(findings)),
        pages_(file_, index_) {
    for (const auto& range : index_.header.ram())
      ram_.push_back({PhysAddr(range.start()), PhysAddr(range.end())});
    for (const auto& segment : index_.header.virtual_segments()) {
      virt_segments_.push_back(
          {.virt = {VirtAddr(segment.virt_start()), VirtAddr(segment.virt_end())},
           .phys = PhysAddr(segment.phys())});
    }
    // Notes in front of a hole are as good as they were.
    if (Status parsed = format::AppendNotes(index_.notes, endian(), 0, notes_); !parsed) {
      index_.damaged = true;
      findings_.Add(Severity::kLoss, "hmem.notes-damaged", "", parsed.error().ToString());
    }
  }

  // Whether `pfn` is RAM, and for how many pages from there on that is so.
  std::pair<bool, uint64_t> RamFrom(Pfn pfn) const;
  bool IsRam(Pfn pfn) const { return RamFrom(pfn).first; }
  // A frame that is lost may have spoken of `pfn`: frames behind are there.
  bool MayBeLost(Pfn pfn) const {
    return index_.frames_lost && !index_.frames.empty() && pfn.value < index_.frames.back().reach;
  }
  std::unexpected<Error> Missing(Pfn pfn, const PageLocation& location) const;

  HmemFile file_;
  HmemIndex index_;
  Findings findings_;
  mutable std::mutex mutex_;  // of pages_, which caches
  HmemPages pages_;
  std::vector<PhysRange> ram_;
  std::vector<Note> notes_;
  std::vector<VirtSegment> virt_segments_;
};

std::pair<bool, uint64_t> HmemSource::RamFrom(Pfn pfn) const {
  constexpr uint64_t kLast = ~uint64_t{0};
  uint64_t addr;
  if (!CheckedMul(pfn.value, page_bytes(), &addr)) return {false, kLast};
  auto it = std::upper_bound(ram_.begin(), ram_.end(), PhysAddr(addr),
                             [](PhysAddr a, const PhysRange& range) { return a < range.end; });
  if (it == ram_.end()) return {false, kLast};
  bool is_ram = it->start.value <= addr;
  return {is_ram, ((is_ram ? it->end : it->start).value - addr) / page_bytes()};
}

PageFateRun HmemSource::FateFrom(Pfn pfn, uint64_t most_pages) const {
  std::lock_guard lock(mutex_);
  PageLocation location = pages_.Locate(pfn);
  PageFateRun run{location.fate, std::min(location.pages, most_pages)};
  if (location.fate != PageFate::kNotReached) return run;
  auto [is_ram, ram_pages] = RamFrom(pfn);
  run.pages = std::min(run.pages, ram_pages);
  if (!is_ram) {
    run.fate = PageFate::kHole;
  } else if (MayBeLost(pfn)) {
    run.fate = PageFate::kDamaged;
    run.pages = std::min(run.pages, index_.frames.back().reach - pfn.value);
  }
  return run;
}

std::unexpected<Error> HmemSource::Missing(Pfn pfn, const PageLocation& location) const {
  std::string place = fmt::format("{}: phys {:#x}", path(), pfn.value * page_bytes());
  switch (location.fate) {
    case PageFate::kExcluded: {
      int index = location.page_class;
      std::string name = index < index_.header.excluded_classes_size()
                             ? index_.header.excluded_classes(index)
                             : "unknown";
      return Fail(ErrorCode::kExcluded,
                  fmt::format("{}: left out of the dump (class {})", place, name));
    }
    case PageFate::kUnreadable:
      return FailErrno(fmt::format("{}: could not be read when the dump was made", place),
                       location.error_number);
    case PageFate::kDamaged:
      return std::unexpected(
          location.error->Within(fmt::format("phys {:#x}", pfn.value * page_bytes())));
    case PageFate::kPresent:
    case PageFate::kHole:
    case PageFate::kNotReached:
      break;
  }
  if (!IsRam(pfn)) return Fail(ErrorCode::kNotFound, fmt::format("{}: no RAM there", place));
  if (MayBeLost(pfn)) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: frames of the dump are damaged; one may have held it", place));
  }
  return Fail(ErrorCode::kTruncated,
              fmt::format("{}: the dump ended, or was cut, before it", place));
}

Status HmemSource::Verify(Findings& findings) const {
  Findings met;
  VerifyHmem(file_, index_, met);
  // What was met while opening and not again: losses that END tells of, a broken chunk chain.
  for (const Finding& finding : findings_.all()) {
    auto same = [&](const Finding& f) { return f.id == finding.id; };
    if (std::any_of(met.all().begin(), met.all().end(), same)) continue;
    findings.Add(finding);
  }
  findings.Merge(met);
  return {};
}

Status HmemSource::Read(PhysAddr addr, std::span<std::byte> out) const {
  uint64_t end;
  if (!CheckedAdd(addr.value, out.size(), &end)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("phys {:#x} + {} bytes wraps", addr.value, out.size()));
  }
  std::lock_guard lock(mutex_);
  while (!out.empty()) {
    uint64_t within = addr.value % page_bytes();
    size_t n = std::min<uint64_t>(out.size(), page_bytes() - within);
    Pfn pfn(addr.value / page_bytes());
    PageLocation location = pages_.Locate(pfn);
    if (location.fate != PageFate::kPresent) return Missing(pfn, location);
    if (location.zero) {
      std::fill_n(out.begin(), n, std::byte{0});
    } else {
      HMEM_ASSIGN(auto bytes, pages_.Bytes(location));
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(within), n, out.begin());
    }
    out = out.subspan(n);
    addr = addr + n;
  }
  return {};
}

bool Sniff(std::span<const std::byte> head) {
  return head.size() >= format::kFrameMagic.size() &&
         std::equal(format::kFrameMagic.begin(), format::kFrameMagic.end(), head.begin());
}

}  // namespace

const SourceFormat& HmemSourceFormat() {
  static constexpr SourceFormat kFormat = {
      .name = "hmem",
      .sniff = Sniff,
      .open = [](const std::string& path, const OpenOptions&) { return HmemSource::Open(path); },
  };
  return kFormat;
}

}  // namespace hmem::source
