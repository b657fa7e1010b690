// SPDX-License-Identifier: GPL-2.0-or-later
// ELF cores: what /proc/vmcore shows, makedumpfile -E and QEMU write. Layout:
// hmem/format/elf_core.h.
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "hmem/format/elf_core.h"
#include "hmem/format/elf_note.h"
#include "hmem/source/dump_file.h"
#include "hmem/source/extent_map.h"
#include "hmem/source/note_facts.h"
#include "hmem/source/source_format.h"

namespace hmem::source {
namespace {

using format::ElfHeader;
using format::ElfSegment;

constexpr size_t kShownRanges = 8;
// Of notes that claim more than any kernel writes; VMCOREINFO lies behind those of the CPUs.
constexpr uint64_t kHugeNotesReadBytes = 1 << 20;
constexpr uint64_t kAllOnes = std::numeric_limits<uint64_t>::max();

std::string Show(const PhysRange& range) {
  return fmt::format("phys {:#x}-{:#x}", range.start.value, range.end.value);
}

class ElfSource final : public MemorySource {
 public:
  static Result<std::unique_ptr<MemorySource>> Open(const std::string& path,
                                                    const OpenOptions& options);

  Status Read(PhysAddr addr, std::span<std::byte> out) const override;
  std::optional<std::span<const std::byte>> Borrow(PhysRange range) const override;
  std::string_view format() const override { return file_.is_procfs() ? "vmcore" : "elf"; }
  const std::string& path() const override { return file_.path(); }
  uint16_t elf_machine() const override { return header_.machine; }
  int word_bytes() const override { return header_.word_bytes; }
  Endian endian() const override { return header_.endian; }
  uint32_t page_bytes() const override { return page_bytes_; }
  std::span<const PhysRange> ram() const override { return ram_; }
  std::span<const Note> notes() const override { return notes_; }
  std::span<const VirtSegment> virt_segments() const override { return virt_segments_; }
  PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const override {
    return extents_.FateFrom(pfn, most_pages, page_bytes_);
  }
  bool complete() const override { return complete_; }
  const Findings& findings() const override { return findings_; }
  Status Verify(Findings& findings) const override;

 private:
  ElfSource(DumpFile file, ElfHeader header) : file_(std::move(file)), header_(header) {}

  Result<std::vector<ElfSegment>> ReadSegments() const;
  void ReadNotes(std::span<const ElfSegment> segments);
  void MapMemory(std::span<const ElfSegment> segments);
  bool Usable(const ElfSegment& segment, size_t index);
  void AddPieces(const ElfSegment& segment, std::vector<Extent>& pieces) const;
  void ReportOverlaps(std::vector<PhysRange> ranges);
  void ReportTruncation();
  std::string At(std::string_view what) const { return fmt::format("{}: {}", file_.path(), what); }

  DumpFile file_;
  ElfHeader header_;
  uint32_t page_bytes_ = kDefaultPageBytes;
  ExtentMap extents_;
  std::vector<PhysRange> ram_;
  std::vector<Note> notes_;
  std::vector<VirtSegment> virt_segments_;
  bool complete_ = true;
  Findings findings_;
};

// A process dumps core with every p_paddr 0; a kernel does not begin all of its memory at one
// address.
bool LooksLikeProcess(std::span<const ElfSegment> segments, std::span<const Note> notes) {
  size_t loads = 0;
  for (const ElfSegment& segment : segments) {
    if (segment.type != PT_LOAD) continue;
    if (segment.phys.value != 0) return false;
    ++loads;
  }
  return loads > 1 && std::none_of(notes.begin(), notes.end(),
                                   [](const Note& n) { return n.name == "VMCOREINFO"; });
}

Result<std::unique_ptr<MemorySource>> ElfSource::Open(const std::string& path,
                                                      const OpenOptions& options) {
  HMEM_ASSIGN(DumpFile file, DumpFile::Open(path, options.map_window_bytes));
  std::vector<std::byte> head(format::kElfHeaderBytes);
  HMEM_ASSIGN(size_t n, file.ReadSome(0, head));
  head.resize(n);
  HMEM_ASSIGN(ElfHeader header, Within(path, format::ParseElfHeader(head)));
  if (header.type != ET_CORE) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: an ELF file, but not a core dump (e_type {})", path, header.type));
  }

  std::unique_ptr<ElfSource> source(new ElfSource(std::move(file), header));
  source->findings_.Merge(source->file_.findings());
  source->complete_ = !source->findings_.HasLosses();
  HMEM_ASSIGN(std::vector<ElfSegment> segments, source->ReadSegments());
  source->ReadNotes(segments);
  if (LooksLikeProcess(segments, source->notes_)) {
    return Fail(
        ErrorCode::kUnsupported,
        source->At("an ELF core of a process, not of a kernel: all physical addresses are 0"));
  }
  source->page_bytes_ = PageBytesFromNotes(source->notes_, source->findings_);
  source->MapMemory(segments);
  if (source->ram_.empty()) {
    return Fail(ErrorCode::kCorrupt, source->At("an ELF core without a usable PT_LOAD"));
  }
  source->ReportTruncation();
  if ((header.flags & format::kElfIncomplete) != 0 &&
      format::ElfHasIncompleteFlag(header.machine)) {
    source->complete_ = false;
    source->findings_.Add(Severity::kLoss, "source.elf.incomplete", "e_flags",
                          "marked as incomplete by the program that wrote it");
  }
  return source;
}

Result<std::vector<ElfSegment>> ElfSource::ReadSegments() const {
  uint64_t count = header_.program_count;
  if (format::ElfCountIsInSection(header_)) {
    std::vector<std::byte> section(format::ElfSectionEntryBytes(header_.word_bytes));
    HMEM_TRY(Within("ELF section header 0", file_.Read(header_.section_offset, section)));
    HMEM_ASSIGN(count, Within(file_.path(), format::ParseElfSectionCount(section, header_)));
  }
  if (count == 0) return Fail(ErrorCode::kCorrupt, At("ELF header: no program headers"));
  if (count > format::kMaxElfSegments) {
    return Fail(ErrorCode::kLimit,
                At(fmt::format("ELF header: {} program headers, at most {} are read", count,
                               format::kMaxElfSegments)));
  }
  uint64_t entry_bytes = format::ElfProgramEntryBytes(header_.word_bytes);
  if (header_.program_entry_bytes != entry_bytes) {
    return Fail(ErrorCode::kCorrupt,
                At(fmt::format("ELF header: program headers of {} bytes, expected {}",
                               header_.program_entry_bytes, entry_bytes)));
  }
  // Nothing is allocated for a count that the file does not have.
  const uint64_t size = file_.size_bytes();
  if (!file_.is_procfs() &&
      (header_.program_offset > size || count * entry_bytes > size - header_.program_offset)) {
    return Fail(ErrorCode::kTruncated,
                At(fmt::format("ELF program headers: {} at file offset {:#x}, the file ends at "
                               "{:#x}",
                               count, header_.program_offset, size)));
  }
  std::vector<std::byte> bytes(count * entry_bytes);
  HMEM_TRY(Within("ELF program headers", file_.Read(header_.program_offset, bytes)));
  return Within(file_.path(), format::ParseElfSegments(bytes, header_));
}

void ElfSource::ReadNotes(std::span<const ElfSegment> segments) {
  uint64_t total = 0;
  for (const ElfSegment& segment : segments) {
    if (segment.type != PT_NOTE || segment.file_bytes == 0) continue;
    std::string place = fmt::format("file offset {:#x}", segment.offset);
    const bool huge = segment.file_bytes > format::kMaxNoteBytes - total;
    const uint64_t wanted = huge ? kHugeNotesReadBytes : segment.file_bytes;
    if (huge) {
      complete_ = false;
      findings_.Add(Severity::kLoss, "source.elf.notes-too-large", place,
                    fmt::format("notes of {:#x} bytes: at most 64 MiB are believed, and of these "
                                "the first MiB was read",
                                segment.file_bytes));
      if (total > format::kMaxNoteBytes - wanted) return;
    }
    total += wanted;
    // A segment that claims more than the file has is read as far as it goes, without believing its
    // size.
    uint64_t there = segment.offset < file_.size_bytes() ? file_.size_bytes() - segment.offset : 0;
    std::vector<std::byte> bytes(std::min(wanted, there));
    auto n = file_.ReadSome(segment.offset, bytes);
    if (!n) {
      complete_ = false;
      findings_.Add(Severity::kLoss, "source.elf.notes-unreadable", place, n.error().ToString());
      continue;
    }
    bytes.resize(*n);
    Status parsed = format::AppendNotes(bytes, header_.endian, segment.offset, notes_);
    // Notes of a file that is cut end anywhere; that is no damage.
    if (huge) continue;
    if (bytes.size() < segment.file_bytes) {
      complete_ = false;
      findings_.Add(Severity::kLoss, "source.elf.notes-truncated", place,
                    fmt::format("the file ends after {} of {} bytes of notes", bytes.size(),
                                segment.file_bytes));
    } else if (!parsed) {
      complete_ = false;
      findings_.Add(Severity::kLoss, "source.elf.notes-damaged", place, parsed.error().ToString());
    }
  }
}

bool ElfSource::Usable(const ElfSegment& segment, size_t index) {
  std::string place = fmt::format("program header {}", index);
  uint64_t all_ones = header_.word_bytes == 8 ? kAllOnes : std::numeric_limits<uint32_t>::max();
  if (segment.phys.value == all_ones) {
    findings_.Add(Severity::kInfo, "source.elf.segment-without-phys", place,
                  "segments without a physical address are passed over");
    return false;
  }
  uint64_t bytes = std::max(segment.memory_bytes, segment.file_bytes);
  uint64_t end;
  if (!CheckedAdd(segment.phys.value, bytes, &end) || end > kAllOnes - kLargestPageBytes ||
      !CheckedAdd(segment.offset, segment.file_bytes, &end)) {
    complete_ = false;
    findings_.Add(Severity::kError, "source.elf.segment-overflow", place,
                  fmt::format("segments that reach beyond 64 bits are passed over: phys {:#x}, "
                              "offset {:#x}, {:#x} bytes",
                              segment.phys.value, segment.offset, bytes));
    return false;
  }
  if (segment.file_bytes > segment.memory_bytes) {
    findings_.Add(Severity::kInfo, "source.elf.segment-sizes", place,
                  "p_filesz is larger than p_memsz; the file's size counts");
  }
  return true;
}

void ElfSource::AddPieces(const ElfSegment& segment, std::vector<Extent>& pieces) const {
  const PhysAddr start = segment.phys;
  const PhysAddr data_end = start + segment.file_bytes;
  const PhysAddr end = start + std::max(segment.memory_bytes, segment.file_bytes);
  uint64_t there = segment.offset < file_.size_bytes() ? file_.size_bytes() - segment.offset : 0;
  const PhysAddr cut = start + std::min(there, segment.file_bytes);
  pieces.push_back(
      {.phys = {start, cut}, .kind = ExtentKind::kData, .file_offset = segment.offset});
  pieces.push_back({.phys = {cut, data_end},
                    .kind = ExtentKind::kTruncated,
                    .file_offset = segment.offset + (cut - start)});
  pieces.push_back({.phys = {data_end, end}, .kind = ExtentKind::kExcluded});
  AddPadding({start, end}, page_bytes_, pieces);
}

void ElfSource::MapMemory(std::span<const ElfSegment> segments) {
  std::vector<Extent> pieces;
  std::vector<PhysRange> ranges;
  for (size_t i = 0; i < segments.size(); ++i) {
    const ElfSegment& segment = segments[i];
    uint64_t bytes = std::max(segment.memory_bytes, segment.file_bytes);
    if (segment.type != PT_LOAD || bytes == 0 || !Usable(segment, i)) continue;
    AddPieces(segment, pieces);
    ranges.push_back({segment.phys, segment.phys + bytes});
    uint64_t virt_end;
    if (segment.virt.value != 0 && CheckedAdd(segment.virt.value, bytes, &virt_end)) {
      virt_segments_.push_back({.virt = {segment.virt, VirtAddr(virt_end)}, .phys = segment.phys});
    }
  }
  ReportOverlaps(std::move(ranges));
  extents_ = ExtentMap(std::move(pieces));
  ram_ = extents_.Ranges();
}

void ElfSource::ReportOverlaps(std::vector<PhysRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  PhysAddr covered;
  for (const PhysRange& range : ranges) {
    if (range.start < covered) {
      findings_.Add(Severity::kInfo, "source.elf.segment-overlap",
                    Show({range.start, std::min(range.end, covered)}),
                    "segments overlap (the kernel text one always does); the larger one is read");
    }
    covered = std::max(covered, range.end);
  }
}

void ElfSource::ReportTruncation() {
  uint64_t bytes = 0;
  size_t count = 0;
  std::string shown;
  for (const Extent& extent : extents_.all()) {
    if (extent.kind != ExtentKind::kTruncated) continue;
    bytes += extent.phys.size();
    if (count++ < kShownRanges)
      shown += fmt::format("{}{}", shown.empty() ? "" : ", ", Show(extent.phys));
  }
  if (count == 0) return;
  complete_ = false;
  if (count > kShownRanges) shown += fmt::format(" and {} more", count - kShownRanges);
  findings_.Add(Severity::kLoss, "source.elf.truncated",
                fmt::format("file offset {:#x}", file_.size_bytes()),
                fmt::format("the file ends before {} bytes of memory: {}", bytes, shown));
}

Status ElfSource::Read(PhysAddr addr, std::span<std::byte> out) const {
  while (!out.empty()) {
    const Extent* extent = extents_.Find(addr);
    if (extent == nullptr) {
      return Fail(ErrorCode::kNotFound, fmt::format("phys {:#x}: no RAM there", addr.value));
    }
    size_t n = static_cast<size_t>(std::min<uint64_t>(out.size(), extent->phys.end - addr));
    switch (extent->kind) {
      case ExtentKind::kData:
        HMEM_TRY(
            Within(fmt::format("phys {:#x}", addr.value),
                   file_.Read(extent->file_offset + (addr - extent->phys.start), out.first(n))));
        break;
      case ExtentKind::kTruncated:
        return Fail(ErrorCode::kTruncated,
                    fmt::format("phys {:#x}: would be at file offset {:#x}, {} ends at {:#x}",
                                addr.value, extent->file_offset + (addr - extent->phys.start),
                                file_.path(), file_.size_bytes()));
      case ExtentKind::kExcluded:
        return Fail(ErrorCode::kExcluded,
                    fmt::format("phys {:#x}: left out when the dump was written", addr.value));
      case ExtentKind::kPadding:
        std::fill_n(out.begin(), n, std::byte{0});
        break;
    }
    out = out.subspan(n);
    addr = addr + n;
  }
  return {};
}

std::optional<std::span<const std::byte>> ElfSource::Borrow(PhysRange range) const {
  const Extent* extent = extents_.Find(range.start);
  if (extent == nullptr || extent->kind != ExtentKind::kData || range.end > extent->phys.end)
    return std::nullopt;
  return file_.Borrow(extent->file_offset + (range.start - extent->phys.start), range.size());
}

Status ElfSource::Verify(Findings& findings) const {
  findings.Merge(findings_);
  VerifyExtents(*this, extents_, "source.elf", findings);
  return {};
}

}  // namespace

const SourceFormat& ElfSourceFormat() {
  static constexpr SourceFormat kFormat{
      .name = "elf",
      .sniff = [](std::span<const std::byte> head) { return format::IsElf(head); },
      .open = &ElfSource::Open,
  };
  return kFormat;
}

}  // namespace hmem::source
