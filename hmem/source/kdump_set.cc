// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/kdump_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace hmem::source {
namespace {

class KdumpSet final : public MemorySource {
 public:
  explicit KdumpSet(std::vector<KdumpPart> parts);

  Status Read(PhysAddr addr, std::span<std::byte> out) const override;
  std::string_view format() const override { return first().format(); }
  const std::string& path() const override { return path_; }
  uint16_t elf_machine() const override { return first().elf_machine(); }
  int word_bytes() const override { return first().word_bytes(); }
  Endian endian() const override { return first().endian(); }
  uint32_t page_bytes() const override { return first().page_bytes(); }
  std::span<const PhysRange> ram() const override { return first().ram(); }
  std::span<const Note> notes() const override { return first().notes(); }
  PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const override;
  bool complete() const override { return complete_; }
  const Findings& findings() const override { return findings_; }
  Status Verify(Findings& findings) const override;

 private:
  const MemorySource& first() const { return *parts_.front().source; }
  // Whom to ask about `pfn` and how many pages from there on. Of a page that is no part's any part
  // says the right thing.
  struct Holder {
    const MemorySource* source;
    uint64_t pages;
  };
  Holder HolderOf(Pfn pfn) const;
  void ReportGaps();

  std::vector<KdumpPart> parts_;  // by their first page
  std::string path_;
  bool complete_ = true;
  Findings findings_;
};

KdumpSet::KdumpSet(std::vector<KdumpPart> parts) : parts_(std::move(parts)) {
  std::ranges::sort(parts_, {}, [](const KdumpPart& part) { return part.pages.start; });
  for (const KdumpPart& part : parts_) {
    path_ += (path_.empty() ? "" : ",") + part.source->path();
    complete_ = complete_ && part.source->complete();
    findings_.Merge(part.source->findings());
  }
  ReportGaps();
}

void KdumpSet::ReportGaps() {
  Pfn covered(0);
  auto report = [&](Pfn end) {
    if (covered >= end) return;
    complete_ = false;
    findings_.Add(Severity::kLoss, "source.kdump.part-missing",
                  fmt::format("pfn {:#x} to {:#x}", covered.value, end.value),
                  "a part of the split dump is not among the files");
  };
  for (const KdumpPart& part : parts_) {
    report(part.pages.start);
    covered = std::max(covered, part.pages.end);
  }
  if (!ram().empty()) report(Pfn(ram().back().end.value / page_bytes()));
}

KdumpSet::Holder KdumpSet::HolderOf(Pfn pfn) const {
  auto behind = std::ranges::upper_bound(parts_, pfn, {},
                                         [](const KdumpPart& part) { return part.pages.start; });
  if (behind != parts_.begin()) {
    const KdumpPart& part = *std::prev(behind);
    if (part.pages.contains(pfn)) return {part.source.get(), part.pages.end - pfn};
  }
  return {&first(), (behind == parts_.end() ? Pfn(~uint64_t{0}) : behind->pages.start) - pfn};
}

PageFateRun KdumpSet::FateFrom(Pfn pfn, uint64_t most_pages) const {
  Holder holder = HolderOf(pfn);
  return holder.source->FateFrom(pfn, std::min(std::max<uint64_t>(holder.pages, 1), most_pages));
}

Status KdumpSet::Read(PhysAddr addr, std::span<std::byte> out) const {
  while (!out.empty()) {
    const Pfn pfn(addr.value / page_bytes());
    Holder holder = HolderOf(pfn);
    // Up to the end of the last of its pages.
    uint64_t bytes = page_bytes() - addr.value % page_bytes();
    uint64_t rest = out.size() > bytes ? (out.size() - bytes) / page_bytes() + 1 : 0;
    bytes += std::min(holder.pages - std::min<uint64_t>(holder.pages, 1), rest) * page_bytes();
    const size_t n = static_cast<size_t>(std::min<uint64_t>(out.size(), bytes));
    HMEM_TRY(holder.source->Read(addr, out.first(n)));
    out = out.subspan(n);
    addr = addr + n;
  }
  return {};
}

Status KdumpSet::Verify(Findings& findings) const {
  Findings of_parts;
  for (const KdumpPart& part : parts_) HMEM_TRY(part.source->Verify(of_parts));
  for (const Finding& finding : findings_.all()) {
    if (finding.id == "source.kdump.part-missing") of_parts.Add(finding);
  }
  findings.Merge(of_parts);
  return {};
}

bool SameDump(const MemorySource& a, const MemorySource& b) {
  return a.elf_machine() == b.elf_machine() && a.word_bytes() == b.word_bytes() &&
         a.endian() == b.endian() && a.page_bytes() == b.page_bytes() &&
         std::ranges::equal(a.ram(), b.ram()) &&
         std::ranges::equal(a.notes(), b.notes(), [](const Note& x, const Note& y) {
           return x.name == y.name && x.type == y.type && x.desc == y.desc;
         });
}

}  // namespace

Result<std::unique_ptr<MemorySource>> OpenKdumpSet(std::span<const std::string> paths,
                                                   const OpenOptions& options) {
  if (paths.empty() || paths.size() > kMaxKdumpParts) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} parts of a split dump: from 1 to {}",
                                                         paths.size(), kMaxKdumpParts));
  }
  std::vector<KdumpPart> parts;
  for (const std::string& path : paths) {
    HMEM_ASSIGN(KdumpPart part, OpenKdumpPart(path, options));
    if (!parts.empty() && !SameDump(*parts.front().source, *part.source)) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} and {} are no parts of one dump", paths.front(), path));
    }
    for (const KdumpPart& other : parts) {
      if (part.pages.start < other.pages.end && other.pages.start < part.pages.end) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} and {} hold the same pages", other.source->path(), path));
      }
    }
    parts.push_back(std::move(part));
  }
  return std::make_unique<KdumpSet>(std::move(parts));
}

}  // namespace hmem::source
