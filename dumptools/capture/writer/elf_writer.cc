// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/elf_writer.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "dumptools/capture/pipeline/batch_planner.h"
#include "dumptools/capture/writer/dump_writer.h"
#include "dumptools/capture/writer/elf_layout.h"
#include "dumptools/capture/writer/region_cursor.h"
#include "hmem/format/elf_core.h"
#include "hmem/format/elf_note.h"
#include "hmem/space/kernel_mappings.h"

namespace hmem::capture {

using format::ElfSegment;
using source::MemorySource;
using source::VirtSegment;

namespace {

constexpr size_t kHeaderBufferBytes = 64 << 10;
constexpr size_t kMaxAliases = 256;
constexpr uint64_t kDataAlign = 4096;
constexpr uint32_t kLoadFlags = PF_R | PF_W | PF_X;

uint64_t DeltaOf(const VirtSegment& segment) {
  return segment.virt.start.value - segment.phys.value;
}

// The distance between virtual and physical addresses that most memory has: the direct mapping.
std::optional<uint64_t> DirectMapDelta(std::span<const VirtSegment> segments) {
  std::map<uint64_t, uint64_t> bytes;
  for (const VirtSegment& segment : segments) bytes[DeltaOf(segment)] += segment.virt.size();
  auto most = std::max_element(bytes.begin(), bytes.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == bytes.end()) return std::nullopt;
  return most->first;
}

// What the source says, or else what the kernel's page tables do.
std::vector<VirtSegment> Mappings(const MemorySource& source, Findings& findings) {
  const std::span<const VirtSegment> told = source.virt_segments();
  if (!told.empty()) return {told.begin(), told.end()};
  auto found = space::KernelMappings(source);
  if (found) return *std::move(found);
  findings.Add(Severity::kInfo, "elf.no-mappings", found.error().ToString(),
               "the program headers have physical addresses only: where the kernel maps memory is "
               "not known");
  return {};
}

bool Overlaps(const VirtSegment& segment, const PhysRange& range) {
  return segment.phys < range.end && segment.phys + segment.virt.size() > range.start;
}

bool Within(const VirtSegment& segment, const PhysRange& range) {
  return segment.phys >= range.start && segment.virt.size() <= range.end - segment.phys;
}

// A run that has room in the file: read, or meant to be and found unreadable. What a source finds
// out while it is read must not move what lies behind.
bool HasRoom(const PageBatch::PlannedRun& run) {
  return run.read || run.fate == format::StoredFate::kUnreadable;
}

// All that is known before the first page is read.
class ElfPlan {
 public:
  ElfPlan(const MemorySource& source, const ScanFactory& scans, Findings& findings)
      : source_(source), scans_(scans), mappings_(Mappings(source, findings)) {
    header_.word_bytes = ElfWordBytes(source);
    header_.endian = source.endian();
    header_.type = ET_CORE;
    header_.machine = source.elf_machine();
    notes_ = format::SerializeNotes(source.notes(), source.endian());
    delta_ = DirectMapDelta(mappings_);
  }

  // Counts the program headers and finds the aliases.
  Status Count(Findings& findings);
  // Everything in front of the data.
  Status WriteHeaders(PositionedSink& sink, uint32_t flags) const;
  Status WriteFlags(PositionedSink& sink, uint32_t flags) const;

  uint64_t data_offset() const {
    return format::AlignUp(notes_offset() + notes_.size(),
                           std::max<uint64_t>(kDataAlign, source_.page_bytes()));
  }
  uint64_t data_bytes() const { return data_bytes_; }
  uint64_t gap_pages() const { return gap_pages_; }
  // Of the core when it has all its bytes.
  uint64_t total_bytes() const { return data_offset() + data_bytes_; }
  uint16_t machine() const { return header_.machine; }

 private:
  uint64_t notes_offset() const {
    return format::ElfCoreHeaderBytes(header_.word_bytes, segments());
  }
  uint64_t segments() const { return 1 + aliases_.size() + pieces_; }
  std::vector<VirtSegment> UsableHints(Findings& findings) const;
  Status ForEachPiece(uint64_t offset, const ElfLayout::Emit& emit, uint64_t& end) const;
  ElfSegment SegmentOf(const ElfPiece& piece) const;
  void AddAliases(std::span<const VirtSegment> hints, const ElfPiece& piece, Findings& findings);

  const MemorySource& source_;
  const ScanFactory& scans_;
  std::vector<VirtSegment> mappings_;
  format::ElfHeader header_;
  std::vector<std::byte> notes_;
  std::optional<uint64_t> delta_;
  uint64_t gap_pages_ = kElfGapPages;
  uint64_t pieces_ = 0;
  uint64_t data_bytes_ = 0;
  std::vector<ElfSegment> aliases_;  // offsets from the first byte of data on
};

// Claims about the kernel's own mapping, which lies over that of RAM.
std::vector<VirtSegment> ElfPlan::UsableHints(Findings& findings) const {
  std::vector<VirtSegment> hints;
  for (const VirtSegment& hint : mappings_) {
    if (DeltaOf(hint) == delta_) continue;
    if (std::ranges::any_of(source_.ram(), [&](const PhysRange& r) { return Within(hint, r); })) {
      hints.push_back(hint);
      continue;
    }
    findings.Add(Severity::kInfo, "elf.alias-left-out",
                 fmt::format("virt {:#x}, phys {:#x}", hint.virt.start.value, hint.phys.value),
                 "a segment that is not within one range of RAM was left out of the program "
                 "headers");
  }
  return hints;
}

Status ElfPlan::ForEachPiece(uint64_t offset, const ElfLayout::Emit& emit, uint64_t& end) const {
  std::unique_ptr<PageScan> scan = scans_();
  BatchPlanner planner(source_, *scan);
  PageBatch batch(source_.page_bytes());
  ElfLayout layout(source_, offset, gap_pages_, emit);
  while (planner.Fill(batch)) {
    for (const PageBatch::PlannedRun& run : batch.plan()) {
      if (HasRoom(run)) HMEM_TRY(layout.Place(run.pages));
    }
  }
  HMEM_TRY(layout.Finish());
  end = layout.end();
  return {};
}

void ElfPlan::AddAliases(std::span<const VirtSegment> hints, const ElfPiece& piece,
                         Findings& findings) {
  for (const VirtSegment& hint : hints) {
    if (!Overlaps(hint, piece.memory)) continue;
    const PhysAddr start = std::max(hint.phys, piece.memory.start);
    const PhysAddr end = std::min(hint.phys + hint.virt.size(), piece.memory.end);
    const uint64_t into = start - piece.memory.start;
    if (aliases_.size() == kMaxAliases) {
      findings.Add(Severity::kInfo, "elf.alias-left-out", fmt::format("phys {:#x}", start.value),
                   fmt::format("more than {} segments of the kernel's own mapping: the others were "
                               "left out of the program headers",
                               kMaxAliases));
      return;
    }
    aliases_.push_back(
        {.type = PT_LOAD,
         .flags = kLoadFlags,
         .offset = piece.offset + into,
         .virt = hint.virt.start + (start - hint.phys),
         .phys = start,
         .file_bytes = std::min(end - start, piece.file_bytes - std::min(into, piece.file_bytes)),
         .memory_bytes = end - start});
  }
}

Status ElfPlan::Count(Findings& findings) {
  const std::vector<VirtSegment> hints = UsableHints(findings);
  for (;; gap_pages_ *= 2) {
    pieces_ = 0;
    aliases_.clear();
    HMEM_TRY(ForEachPiece(
        0,
        [&](const ElfPiece& piece) -> Status {
          ++pieces_;
          AddAliases(hints, piece, findings);
          return {};
        },
        data_bytes_));
    if (segments() <= format::kMaxElfSegments) return {};
    if (pieces_ == source_.ram().size()) {
      return Fail(ErrorCode::kLimit, fmt::format("ELF core: {} segments, at most {}", pieces_,
                                                 format::kMaxElfSegments));
    }
  }
}

ElfSegment ElfPlan::SegmentOf(const ElfPiece& piece) const {
  ElfSegment segment{.type = PT_LOAD,
                     .flags = kLoadFlags,
                     .offset = piece.offset,
                     .phys = piece.memory.start,
                     .file_bytes = piece.file_bytes,
                     .memory_bytes = piece.memory.size()};
  for (const VirtSegment& hint : mappings_) {
    if (DeltaOf(hint) == delta_ && Overlaps(hint, piece.memory))
      segment.virt = VirtAddr(piece.memory.start.value + *delta_);
  }
  return segment;
}

Status ElfPlan::WriteFlags(PositionedSink& sink, uint32_t flags) const {
  format::ElfHeader header = header_;
  header.flags = flags;
  return sink.WriteAt(0, format::BuildElfFileHeader(header, segments()));
}

Status ElfPlan::WriteHeaders(PositionedSink& sink, uint32_t flags) const {
  HMEM_TRY(sink.Reserve(0, data_offset()));
  HMEM_TRY(WriteFlags(sink, flags));
  RegionCursor cursor(sink, format::ElfFileHeaderBytes(header_.word_bytes), kHeaderBufferBytes);
  auto append = [&](const ElfSegment& segment) -> Status {
    HMEM_ASSIGN(auto bytes, format::BuildElfProgramHeader(header_, segment));
    return cursor.Append(bytes);
  };
  HMEM_TRY(append({.type = PT_NOTE,
                   .offset = notes_offset(),
                   .file_bytes = notes_.size(),
                   .memory_bytes = notes_.size(),
                   .align = 4}));
  for (ElfSegment alias : aliases_) {
    alias.offset += data_offset();
    HMEM_TRY(append(alias));
  }
  uint64_t end = 0, pieces = 0;
  HMEM_TRY(ForEachPiece(
      data_offset(),
      [&](const ElfPiece& piece) -> Status {
        ++pieces;
        return append(SegmentOf(piece));
      },
      end));
  if (pieces != pieces_ || end != total_bytes())
    return Fail(ErrorCode::kCorrupt, "two scans of the memory differ: it changes");
  HMEM_TRY(cursor.Append(format::BuildElfCountSection(header_, segments())));
  HMEM_TRY(cursor.WriteOut());
  return sink.WriteAt(notes_offset(), notes_);
}

// Puts kept pages where the program headers say they are.
class ElfPageWriter final : public DumpWriter {
 public:
  ElfPageWriter(const MemorySource& source, const ElfPlan& plan, PositionedSink& sink,
                uint64_t max_bytes)
      : sink_(sink),
        max_bytes_(max_bytes),
        total_bytes_(plan.total_bytes()),
        written_end_(plan.data_offset()),
        layout_(source, plan.data_offset(), plan.gap_pages(),
                [](const ElfPiece&) { return Status(); }) {}

  // Nothing to pack: the kept pages are the bytes of the core.
  bool packs() const override { return false; }
  Status Prepare() const override { return {}; }
  Status Pack(PageBatch&) const override { return {}; }
  Status Write(const PageBatch& batch) override;
  Status Flush() override { return sink_.Sync(); }
  uint64_t dump_bytes() const override { return written_end_; }

  // The core is as long as its headers say.
  Status FillUp();
  uint64_t pages_in_gaps() const { return layout_.pages_in_gaps(); }

 private:
  Status Put(uint64_t offset, std::span<const std::byte> bytes);

  PositionedSink& sink_;
  uint64_t max_bytes_;
  uint64_t total_bytes_;
  uint64_t written_end_;
  ElfLayout layout_;
};

Status ElfPageWriter::Put(uint64_t offset, std::span<const std::byte> bytes) {
  if (offset + bytes.size() > total_bytes_)
    return Fail(ErrorCode::kCorrupt, "two scans of the memory differ: it changes");
  if (offset + bytes.size() > max_bytes_) {
    return Fail(ErrorCode::kLimit,
                fmt::format("{}: the limit of {} bytes is reached", sink_.name(), max_bytes_));
  }
  HMEM_TRY(sink_.Reserve(offset, bytes.size()));
  HMEM_TRY(sink_.WriteAt(offset, bytes));
  written_end_ = offset + bytes.size();
  return {};
}

Status ElfPageWriter::Write(const PageBatch& batch) {
  const uint64_t page_bytes = batch.page_bytes();
  std::span<const std::byte> raw = batch.raw();
  auto kept = batch.kept().begin();
  uint64_t taken = 0;  // pages of *kept
  for (const PageBatch::PlannedRun& run : batch.plan()) {
    if (!HasRoom(run)) continue;
    HMEM_ASSIGN(const uint64_t offset, layout_.Place(run.pages));
    // A kept run may go on from one planned run into the next.
    while (kept != batch.kept().end() && kept->first_pfn + taken < run.pages.end.value) {
      const uint64_t first = kept->first_pfn + taken;
      const uint64_t pages = std::min(kept->count - taken, run.pages.end.value - first);
      HMEM_TRY(Put(offset + (first - run.pages.start.value) * page_bytes,
                   raw.first(pages * page_bytes)));
      raw = raw.subspan(pages * page_bytes);
      taken += pages;
      if (taken == kept->count) {
        ++kept;
        taken = 0;
      }
    }
  }
  return {};
}

Status ElfPageWriter::FillUp() {
  if (written_end_ == total_bytes_) return {};
  if (total_bytes_ > max_bytes_) {
    return Fail(ErrorCode::kLimit,
                fmt::format("{}: the limit of {} bytes is reached", sink_.name(), max_bytes_));
  }
  static constexpr std::array<std::byte, 1> kZero{};
  HMEM_TRY(sink_.WriteAt(total_bytes_ - 1, kZero));
  written_end_ = total_bytes_;
  return {};
}

// `lost`: pages that the source does not have.
void TellOfZeros(const PageCounts& counts, uint64_t lost, uint64_t pages_in_gaps,
                 Findings& findings) {
  if (lost != 0) {
    findings.Add(Severity::kLoss, "elf.zeros-for-missing", "",
                 fmt::format("{} pages that the source does not have are zeros in the ELF core, or "
                             "absent where {} and more follow each other",
                             lost, kElfGapPages));
  }
  // Nothing was lost on the way: an earlier filter left them out, and an ELF core cannot say so.
  const uint64_t filtered_before =
      counts.excluded_by_class.at(static_cast<size_t>(PageClass::kFilteredBefore));
  if (filtered_before != 0) {
    findings.Add(Severity::kInfo, "elf.zeros-for-filtered", "",
                 fmt::format("{} pages that the filter of the source left out are zeros in the ELF "
                             "core, or absent where {} and more follow each other",
                             filtered_before, kElfGapPages));
  } else if (pages_in_gaps != 0 && lost == 0) {
    findings.Add(Severity::kInfo, "elf.zeros-for-excluded", "",
                 fmt::format("{} excluded pages are zeros in the ELF core, because fewer than {} "
                             "follow each other",
                             pages_in_gaps, kElfGapPages));
  }
}

}  // namespace

int ElfWordBytes(const MemorySource& source) {
  if (source.word_bytes() == 8) return 8;
  constexpr uint64_t kLimit = std::numeric_limits<uint32_t>::max();
  uint64_t total = 0;
  for (const PhysRange& range : source.ram()) {
    if (range.end.value > kLimit) return 8;
    total += range.size();
  }
  // The file itself must stay below 4 GiB as well; a MiB for headers and notes.
  return total < kLimit - (1 << 20) ? 4 : 8;
}

Result<CaptureOutcome> CaptureElf(const MemorySource& source, const ScanFactory& scans,
                                  PositionedSink& sink, uint64_t max_bytes,
                                  const PipelineOptions& pipeline, Findings& findings) {
  CaptureOutcome outcome;
  ElfPlan plan(source, scans, findings);
  HMEM_TRY(Timed(outcome.times.scan, [&] { return plan.Count(findings); }));
  if (plan.data_offset() > max_bytes) {
    return Fail(ErrorCode::kLimit, fmt::format("{}: the limit of {} bytes is reached: the headers "
                                               "are {}",
                                               sink.name(), max_bytes, plan.data_offset()));
  }
  // Until the end is there, the core says that it is not; a stream cannot take that back.
  const bool marks = sink.can_go_back() && format::ElfHasIncompleteFlag(plan.machine());
  HMEM_TRY(plan.WriteHeaders(sink, marks ? format::kElfIncomplete : 0));

  ElfPageWriter writer(source, plan, sink, max_bytes);
  std::unique_ptr<PageScan> scan = scans();
  const Tier tier{.number = 0, .scan = scan.get()};
  HMEM_TRY(RunPipeline(source, std::span(&tier, 1), writer, pipeline, outcome, findings));
  auto close = [&]() -> Status {
    if (outcome.reason == v1::DumpEnd::REASON_COMPLETE) HMEM_TRY(writer.FillUp());
    return sink.Sync();
  };
  if (outcome.reason != v1::DumpEnd::REASON_WRITE_ERROR) {
    if (Status closed = Timed(outcome.times.sync, close); !closed) {
      outcome.reason = ReasonOfWriteError(closed.error());
      if (outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) outcome.write_error = closed.error();
    }
  }
  // Pages that were not reached for want of room or time are nothing that the source lacks.
  uint64_t lost = outcome.counts.unreadable + outcome.counts.missing;
  outcome.counts.missing = outcome.ram_pages - (outcome.counts.all() - outcome.counts.missing);
  if (outcome.reason == v1::DumpEnd::REASON_COMPLETE)
    lost = outcome.counts.unreadable + outcome.counts.missing;
  if (outcome.reason == v1::DumpEnd::REASON_COMPLETE && outcome.counts.missing != 0)
    outcome.reason = v1::DumpEnd::REASON_SOURCE_CUT;
  outcome.stream_bytes = writer.dump_bytes();
  if (outcome.reason == v1::DumpEnd::REASON_COMPLETE && marks) {
    Status cleared = plan.WriteFlags(sink, 0);
    if (cleared) cleared = sink.Sync();
    if (!cleared) {
      outcome.reason = v1::DumpEnd::REASON_WRITE_ERROR;
      outcome.write_error = cleared.error();
    }
  }
  if (outcome.reason != v1::DumpEnd::REASON_WRITE_ERROR)
    TellOfZeros(outcome.counts, lost, writer.pages_in_gaps(), findings);
  return outcome;
}

}  // namespace hmem::capture
