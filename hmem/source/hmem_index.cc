// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace hmem::source {

using format::FrameHeader;
using format::FrameType;

namespace {

constexpr uint64_t kMaxRamRanges = 1 << 20;
// END and the PAD behind it lie within the last bytes of a file that was finished.
constexpr uint64_t kTailBytes = 128 << 10;

template <typename Message>
Result<Message> ParseMessage(std::span<const std::byte> bytes, std::string_view what) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: not a valid message", what));
  }
  return message;
}

Status CheckHeader(const v1::DumpHeader& header) {
  if (header.format_version() != format::kHmemFormatVersion) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("HEADER: format version {}, this build reads {}",
                            header.format_version(), format::kHmemFormatVersion));
  }
  uint32_t page = header.page_bytes();
  if (!std::has_single_bit(page) || page < 1024 || page > format::kMaxPageBytesPerFrame) {
    return Fail(ErrorCode::kCorrupt, fmt::format("HEADER: pages of {} bytes", page));
  }
  if (header.word_bytes() != 4 && header.word_bytes() != 8) {
    return Fail(ErrorCode::kCorrupt, fmt::format("HEADER: words of {} bytes", header.word_bytes()));
  }
  if (static_cast<uint64_t>(header.ram_size()) > kMaxRamRanges) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("HEADER: {} RAM ranges, at most {}", header.ram_size(), kMaxRamRanges));
  }
  uint64_t at = 0;
  for (const auto& range : header.ram()) {
    if (range.start() < at || range.end() <= range.start() || range.start() % page != 0 ||
        range.end() % page != 0) {
      return Fail(ErrorCode::kCorrupt, fmt::format("HEADER: RAM range {:#x} to {:#x} behind {:#x}",
                                                   range.start(), range.end(), at));
    }
    at = range.end();
  }
  return {};
}

// Collects frames while an index is built.
class Builder {
 public:
  Builder(const HmemFile& file, HmemIndex& index, Findings& findings)
      : file_(file), index_(index), findings_(findings) {}

  // By END and the chain of chunks. False: no END where a finished file has it, or the chain does
  // not hold.
  bool FromEnd();
  void ByFollowing();
  void Finish();

 private:
  std::optional<FrameAt> FindEnd();
  bool TakeChunk(const FrameAt& at, const format::Chunk& chunk, Findings& findings);
  // False: no room for more frames.
  bool Take(const FrameAt& frame, Findings& findings);
  Result<std::vector<std::byte>> Load(uint64_t offset) const;
  void LoadNotes();
  void LoadRecord();
  void TakeEnd(const FrameAt& frame, Findings& findings);

  const HmemFile& file_;
  HmemIndex& index_;
  Findings& findings_;
  std::vector<uint64_t> notes_, records_;
};

std::optional<FrameAt> Builder::FindEnd() {
  if (file_.is_device()) return std::nullopt;  // its size says nothing about where the dump ends
  uint64_t tail = std::min(file_.bytes(), kTailBytes) / format::kFrameAlign * format::kFrameAlign;
  uint64_t start = file_.bytes() / format::kFrameAlign * format::kFrameAlign - tail;
  std::vector<std::byte> bytes(tail);
  Findings unreadable;
  tail = file_.ReadAround(start, bytes, unreadable) / format::kFrameAlign * format::kFrameAlign;
  if (unreadable.HasLosses()) {
    index_.damaged = true;
    findings_.Merge(unreadable);
  }
  for (uint64_t at = tail; at >= format::kFrameHeaderBytes;) {
    at -= format::kFrameAlign;
    auto header = format::DecodeFrameHeader(std::span(bytes).subspan(at));
    if (!header || header->dump_id != index_.dump_id || header->type != FrameType::kEnd ||
        header->flags != 0)
      continue;
    if (start + at + header->total_bytes() > file_.bytes()) continue;
    return FrameAt{start + at, *header};
  }
  return std::nullopt;
}

bool Builder::Take(const FrameAt& frame, Findings& findings) {
  auto place = [&] { return fmt::format("file offset {:#x}", frame.offset); };
  const FrameType type = frame.header.type;
  const bool of_pages = type == FrameType::kPages || type == FrameType::kFate;
  if (frame.header.flags != 0) {
    index_.damaged = true;
    index_.frames_lost |= of_pages;
    findings.Add(
        Severity::kLoss, "hmem.unknown-flag", place(),
        fmt::format("a {} frame with flags {:#x}, which this build does not know; it was skipped",
                    format::FrameTypeName(type), frame.header.flags));
    return true;
  }
  switch (type) {
    case FrameType::kPages:
    case FrameType::kFate:
      if (index_.frames.size() >= HmemIndex::kMaxFrames) {
        index_.damaged = index_.frames_lost = true;
        findings.Add(Severity::kLoss, "hmem.too-many-frames", place(),
                     "more frames than this build indexes; the pages of the rest cannot be read");
        return false;
      }
      index_.frames.push_back({.offset = frame.offset,
                               .first_pfn = frame.header.first_pfn,
                               .page_count = frame.header.page_count,
                               .type = type});
      return true;
    case FrameType::kFirstFailure:
      records_.push_back(frame.offset);
      return true;
    case FrameType::kNotes:
      notes_.push_back(frame.offset);
      return true;
    case FrameType::kHeader:
    case FrameType::kChunk:
    case FrameType::kPad:
    case FrameType::kEnd:
      return true;
    case FrameType::kKey:
      break;
  }
  index_.damaged = true;
  findings.Add(Severity::kLoss, "hmem.unknown-frame", place(),
               fmt::format("a {} frame, which this build does not read; it was skipped",
                           format::FrameTypeName(type)));
  return true;
}

bool Builder::TakeChunk(const FrameAt& at, const format::Chunk& chunk, Findings& findings) {
  uint64_t end;
  if (!CheckedAdd(chunk.offset, chunk.bytes, &end) || end != at.offset) return false;
  for (const format::ChunkEntry& entry : chunk.entries) {
    FrameAt frame{chunk.offset + entry.offset,
                  {.type = entry.type,
                   .flags = entry.flags,
                   .first_pfn = entry.first_pfn,
                   .stored_bytes = entry.stored_bytes,
                   .raw_bytes = entry.raw_bytes,
                   .page_count = entry.page_count}};
    if (!Take(frame, findings)) return false;
  }
  return true;
}

void Builder::TakeEnd(const FrameAt& frame, Findings& findings) {
  auto payload = file_.ReadPayload(frame);
  auto end =
      payload ? ParseMessage<v1::DumpEnd>(*payload, "END") : std::unexpected(payload.error());
  if (end) {
    index_.end = *std::move(end);
    return;
  }
  findings.Add(Severity::kLoss, "hmem.end-damaged", fmt::format("file offset {:#x}", frame.offset),
               "the END frame is damaged; totals are not known");
}

bool Builder::FromEnd() {
  auto end = FindEnd();
  if (!end) return false;
  Findings met;  // on the way; met again when the frames have to be followed
  TakeEnd(*end, met);
  if (!index_.end) return false;
  const HmemIndex before = index_;      // no frames yet
  uint64_t expected_end = end->offset;  // where the chunk in hand must end
  uint64_t at = index_.end->last_chunk_offset();
  uint64_t number = index_.end->chunks();
  std::string broken;
  while (broken.empty()) {
    auto header = file_.ReadHeader(at);
    if (!header) {
      broken = header.error().ToString();
      break;
    }
    FrameAt frame{at, *header};
    if (header->type != FrameType::kChunk || header->dump_id != index_.dump_id ||
        header->flags != 0 || at + header->total_bytes() != expected_end) {
      broken = "no CHUNK frame of this dump";
      break;
    }
    auto payload = file_.ReadPayload(frame);
    auto chunk =
        payload ? format::DecodeChunk(*header, *payload) : std::unexpected(payload.error());
    if (!chunk) {
      broken = chunk.error().ToString();
      break;
    }
    if (number == 0) {
      broken =
          fmt::format("CHUNK {} where END counted {} chunks", chunk->number, index_.end->chunks());
      break;
    }
    if (chunk->number != number - 1) {
      broken = fmt::format("CHUNK {} where {} was expected", chunk->number, number - 1);
      break;
    }
    if (!TakeChunk(frame, *chunk, met)) {
      broken =
          fmt::format("CHUNK {} lists frames that are not those in front of it", chunk->number);
      break;
    }
    --number;
    expected_end = chunk->offset;
    if (chunk->previous == format::kNoOffset) {
      if (number == 0 && chunk->offset == 0) {
        findings_.Merge(met);
        return true;
      }
      broken = "the chain ends before the first chunk";
      break;
    }
    if (chunk->previous >= at) broken = "the chain does not go backwards";
    at = chunk->previous;
  }
  findings_.Add(Severity::kError, "hmem.chunk-chain", fmt::format("file offset {:#x}", at),
                fmt::format("{}; every frame was followed from the start instead", broken));
  index_ = before;
  index_.damaged = true;
  index_.end.reset();
  notes_.clear();
  records_.clear();
  return false;
}

void Builder::ByFollowing() {
  FrameWalker walker(file_, index_.dump_id);
  while (auto frame = walker.Next(findings_)) {
    if (!Take(*frame, findings_)) break;
    if (frame->header.type == FrameType::kEnd && frame->header.flags == 0)
      TakeEnd(*frame, findings_);
  }
  index_.damaged |= walker.damaged();
  index_.frames_lost |= walker.damaged();
}

Result<std::vector<std::byte>> Builder::Load(uint64_t offset) const {
  HMEM_ASSIGN(FrameHeader header, file_.ReadHeader(offset));
  return file_.ReadPayload({offset, header});
}

void Builder::LoadNotes() {
  std::sort(notes_.begin(), notes_.end());  // chunks were visited from the last to the first
  for (uint64_t offset : notes_) {
    auto piece = Load(offset);
    if (!piece || index_.notes.size() + piece->size() > HmemIndex::kMaxNoteBytes) {
      index_.damaged = true;
      findings_.Add(Severity::kLoss, "hmem.notes-damaged", fmt::format("file offset {:#x}", offset),
                    "a NOTES frame is damaged; the ELF notes from there on are lost");
      break;
    }
    index_.notes.insert(index_.notes.end(), piece->begin(), piece->end());
  }
}

// The last one that is whole: it is the one a later attempt embedded.
void Builder::LoadRecord() {
  std::sort(records_.rbegin(), records_.rend());
  for (uint64_t offset : records_) {
    if (auto record = Load(offset)) {
      index_.first_failure = *std::move(record);
      return;
    }
    index_.damaged = true;
    findings_.Add(Severity::kLoss, "hmem.record-damaged", fmt::format("file offset {:#x}", offset),
                  "a first-failure record in the dump is damaged; one before it is used, if any");
  }
}

void Builder::Finish() {
  LoadNotes();
  LoadRecord();
  std::sort(index_.frames.begin(), index_.frames.end(),
            [](const IndexedFrame& a, const IndexedFrame& b) {
              return a.first_pfn != b.first_pfn ? a.first_pfn < b.first_pfn : a.offset < b.offset;
            });
  uint64_t reach = 0;
  for (IndexedFrame& frame : index_.frames) frame.reach = reach = std::max(reach, frame.end_pfn());
}

Severity FromProto(v1::Finding::Severity severity) {
  switch (severity) {
    case v1::Finding::SEVERITY_LOSS:
      return Severity::kLoss;
    case v1::Finding::SEVERITY_ERROR:
      return Severity::kError;
    default:
      return Severity::kInfo;
  }
}

std::string_view ReasonText(v1::DumpEnd::Reason reason) {
  switch (reason) {
    case v1::DumpEnd::REASON_NO_SPACE:
      return "the target was full";
    case v1::DumpEnd::REASON_DEADLINE:
      return "the time limit was reached";
    case v1::DumpEnd::REASON_MAX_BYTES:
      return "the size limit was reached";
    case v1::DumpEnd::REASON_WRITE_ERROR:
      return "the target failed";
    case v1::DumpEnd::REASON_SOURCE_CUT:
      return "what it was made of had been cut";
    default:
      return "the reason is not known";
  }
}

}  // namespace

Result<HmemIndex> HmemIndex::Build(const HmemFile& file, Findings& findings) {
  HmemIndex index;
  HMEM_ASSIGN(FrameHeader first, file.ReadHeader(0));
  if (first.type != FrameType::kHeader) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: file offset 0x0: {} frame, HEADER expected",
                                                 file.path(), format::FrameTypeName(first.type)));
  }
  if (first.flags != 0) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: HEADER: flags {:#x}, which this build does not know", file.path(),
                            first.flags));
  }
  HMEM_ASSIGN(auto payload, file.ReadPayload({0, first}));
  HMEM_ASSIGN(index.header, Within(file.path(), ParseMessage<v1::DumpHeader>(payload, "HEADER")));
  HMEM_TRY(Within(file.path(), CheckHeader(index.header)));
  index.dump_id = first.dump_id;

  Builder builder(file, index, findings);
  if (!builder.FromEnd()) builder.ByFollowing();
  builder.Finish();

  if (!index.end) {
    ReportNotReached(index, index.Coverage(), findings);
    return index;
  }
  if (index.end->reason() != v1::DumpEnd::REASON_COMPLETE) {
    findings.Add(Severity::kLoss, "hmem.ended-early", "",
                 fmt::format("the dump was ended early: {}", ReasonText(index.end->reason())));
    ReportNotReached(index, index.Coverage(), findings);
  }
  for (const v1::Finding& finding : index.end->findings()) {
    findings.Add({.id = finding.id(),
                  .severity = FromProto(finding.severity()),
                  .count = finding.count(),
                  .places = {finding.places().begin(), finding.places().end()},
                  .text = finding.text()});
  }
  return index;
}

PfnSet HmemIndex::Coverage() const {
  PfnSet covered;
  for (const IndexedFrame& frame : frames)
    covered.Add({Pfn(frame.first_pfn), Pfn(frame.end_pfn())});
  return covered;
}

std::vector<PfnRange> RamPfns(const v1::DumpHeader& header) {
  std::vector<PfnRange> ranges;
  for (const auto& range : header.ram()) {
    ranges.push_back(
        {Pfn(range.start() / header.page_bytes()), Pfn(range.end() / header.page_bytes())});
  }
  return ranges;
}

void ReportNotReached(const HmemIndex& index, const PfnSet& covered, Findings& findings) {
  auto ram = RamPfns(index.header);
  for (const PfnRange& range : covered.MissingFrom(ram)) {
    findings.Add(
        Severity::kLoss, "hmem.not-reached",
        fmt::format("pfn {:#x} to {:#x}", range.start.value, range.end.value),
        "the dump does not speak of this RAM: it ended, was cut before it, or is damaged there");
  }
}

}  // namespace hmem::source
