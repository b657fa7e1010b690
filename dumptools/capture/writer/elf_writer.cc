// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/elf_writer.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/capture/pipeline/batch_planner.h"
#include "dumptools/capture/pipeline/page_reader.h"
#include "hmem/format/elf_note.h"

namespace hmem::capture {

using format::ElfSegment;
using source::VirtSegment;

namespace {

uint64_t DeltaOf(const VirtSegment& segment) {
  return segment.virt.start.value - segment.phys.value;
}

// The distance between virtual and physical addresses that most memory has: the direct mapping.
std::optional<uint64_t> DirectMapDelta(const source::MemorySource& source) {
  std::map<uint64_t, uint64_t> bytes;
  for (const VirtSegment& segment : source.virt_segments())
    bytes[DeltaOf(segment)] += segment.virt.size();
  auto most = std::max_element(bytes.begin(), bytes.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == bytes.end()) return std::nullopt;
  return most->first;
}

bool Overlaps(const VirtSegment& segment, const PhysRange& range) {
  return segment.phys < range.end && segment.phys + segment.virt.size() > range.start;
}

bool Within(const VirtSegment& segment, const PhysRange& range) {
  return segment.phys >= range.start && segment.virt.size() <= range.end - segment.phys;
}

Status WriteKept(const PageBatch& batch, std::span<const ElfSegment> ram, size_t& segment,
                 FdSink& sink) {
  uint64_t page_bytes = batch.page_bytes();
  auto bytes = batch.raw();
  for (const KeptRun& run : batch.kept()) {
    uint64_t pfn = run.first_pfn, left = run.count;
    while (left > 0) {
      // A run may go on from one RAM range into the next.
      PhysAddr addr(pfn * page_bytes);
      while (ram[segment].phys + ram[segment].memory_bytes <= addr) ++segment;
      uint64_t offset = ram[segment].offset + (addr - ram[segment].phys);
      uint64_t pages =
          std::min(left, (ram[segment].memory_bytes - (addr - ram[segment].phys)) / page_bytes);
      HMEM_TRY(sink.AppendZeros(offset - sink.offset()));
      HMEM_TRY(sink.Append(bytes.first(pages * page_bytes)));
      bytes = bytes.subspan(pages * page_bytes);
      pfn += pages;
      left -= pages;
    }
  }
  return {};
}

}  // namespace

int ElfWordBytes(const source::MemorySource& source) {
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

std::vector<ElfSegment> PlanElfSegments(const source::MemorySource& source, int word_bytes,
                                        uint64_t notes_bytes, Findings& findings) {
  std::optional<uint64_t> delta = DirectMapDelta(source);
  std::vector<ElfSegment> aliases, ram;
  for (const PhysRange& range : source.ram()) {
    ElfSegment segment{.type = PT_LOAD,
                       .flags = PF_R | PF_W | PF_X,
                       .phys = range.start,
                       .file_bytes = range.size(),
                       .memory_bytes = range.size()};
    for (const VirtSegment& hint : source.virt_segments()) {
      if (DeltaOf(hint) == delta && Overlaps(hint, range))
        segment.virt = VirtAddr(range.start.value + *delta);
    }
    ram.push_back(segment);
  }
  for (const VirtSegment& hint : source.virt_segments()) {
    if (DeltaOf(hint) == delta) continue;
    auto holder = std::find_if(source.ram().begin(), source.ram().end(),
                               [&](const PhysRange& r) { return Within(hint, r); });
    if (holder == source.ram().end()) {
      findings.Add(
          Severity::kInfo, "elf.alias-left-out",
          fmt::format("virt {:#x}, phys {:#x}", hint.virt.start.value, hint.phys.value),
          "a segment that is not within one range of RAM was left out of the program headers");
      continue;
    }
    aliases.push_back({.type = PT_LOAD,
                       .flags = PF_R | PF_W | PF_X,
                       .virt = hint.virt.start,
                       .phys = hint.phys,
                       .file_bytes = hint.virt.size(),
                       .memory_bytes = hint.virt.size()});
  }

  uint64_t at = format::ElfCoreHeaderBytes(word_bytes, 1 + aliases.size() + ram.size());
  std::vector<ElfSegment> segments;
  segments.push_back({.type = PT_NOTE,
                      .offset = at,
                      .file_bytes = notes_bytes,
                      .memory_bytes = notes_bytes,
                      .align = 4});
  at = format::AlignUp(at + notes_bytes, std::max<uint64_t>(4096, source.page_bytes()));
  for (ElfSegment& segment : ram) {
    segment.offset = at;
    at += segment.file_bytes;
  }
  for (ElfSegment& alias : aliases) {
    auto holder = std::find_if(ram.begin(), ram.end(), [&](const ElfSegment& s) {
      return alias.phys >= s.phys && alias.phys < s.phys + s.memory_bytes;
    });
    alias.offset = holder->offset + (alias.phys - holder->phys);
  }
  segments.insert(segments.end(), aliases.begin(), aliases.end());
  segments.insert(segments.end(), ram.begin(), ram.end());
  return segments;
}

Result<CaptureOutcome> CaptureElf(const source::MemorySource& source, FdSink& sink,
                                  const PipelineOptions& options, Findings& findings) {
  CaptureOutcome outcome;
  int word_bytes = ElfWordBytes(source);
  std::vector<std::byte> notes = format::SerializeNotes(source.notes(), source.endian());
  auto segments = PlanElfSegments(source, word_bytes, notes.size(), findings);
  format::ElfHeader elf{.word_bytes = word_bytes,
                        .endian = source.endian(),
                        .type = ET_CORE,
                        .machine = source.elf_machine()};
  HMEM_ASSIGN(auto head, format::BuildElfCoreHeader(elf, segments));
  auto ram = std::span(segments).last(source.ram().size());

  WholeScan scan(source);
  BatchPlanner planner(source, scan);
  outcome.ram_pages = CountRamPages(source);
  PageBatch batch(source.page_bytes());
  size_t segment = 0;
  auto write = [&]() -> Status {
    HMEM_TRY(sink.Append(head));
    HMEM_TRY(sink.Append(notes));
    while (planner.Fill(batch)) {
      if ((options.stop != nullptr && *options.stop) ||
          (options.deadline && std::chrono::steady_clock::now() >= *options.deadline)) {
        outcome.reason = v1::DumpEnd::REASON_DEADLINE;
        return {};
      }
      ReadPages(source, false, batch);
      findings.Merge(batch.findings());
      outcome.counts.Add(batch);
      HMEM_TRY(WriteKept(batch, ram, segment, sink));
      if (options.progress) options.progress(outcome.counts, outcome.ram_pages, sink.offset());
    }
    if (!ram.empty())
      HMEM_TRY(sink.AppendZeros(ram.back().offset + ram.back().file_bytes - sink.offset()));
    return sink.Sync();
  };
  if (Status status = write(); !status) {
    outcome.reason = ReasonOfWriteError(status.error());
    outcome.write_error = status.error();
  }
  outcome.stream_bytes = sink.offset();
  if (outcome.reason != v1::DumpEnd::REASON_UNSPECIFIED) return outcome;
  outcome.reason =
      outcome.counts.missing == 0 ? v1::DumpEnd::REASON_COMPLETE : v1::DumpEnd::REASON_SOURCE_CUT;
  uint64_t lost = outcome.counts.excluded + outcome.counts.unreadable + outcome.counts.missing;
  if (lost != 0) {
    findings.Add(Severity::kLoss, "elf.zeros-for-missing", "",
                 fmt::format("{} pages that the source does not have are zeros in the ELF core, "
                             "which cannot tell them apart",
                             lost));
  }
  return outcome;
}

}  // namespace hmem::capture
