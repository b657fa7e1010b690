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
  Result<bool> FromEnd();
  Status ByFollowing();
  void Finish();

 private:
  Result<std::optional<FrameAt>> FindEnd() const;
  bool TakeChunk(const FrameAt& at, const format::Chunk& chunk);
  bool Take(const FrameAt& frame);
  void LoadPayloads();
  void TakeEnd(const FrameAt& frame);

  const HmemFile& file_;
  HmemIndex& index_;
  Findings& findings_;
  std::vector<uint64_t> notes_, records_;
};

Result<std::optional<FrameAt>> Builder::FindEnd() const {
  if (file_.is_device()) return std::nullopt;  // its size says nothing about where the dump ends
  uint64_t tail = std::min(file_.bytes(), kTailBytes) / format::kFrameAlign * format::kFrameAlign;
  uint64_t start = file_.bytes() / format::kFrameAlign * format::kFrameAlign - tail;
  std::vector<std::byte> bytes(tail);
  HMEM_TRY(file_.ReadExactly(start, bytes));
  for (uint64_t at = tail; at >= format::kFrameHeaderBytes;) {
    at -= format::kFrameAlign;
    auto header = format::DecodeFrameHeader(std::span(bytes).subspan(at));
    if (!header || header->dump_id != index_.dump_id || header->type != FrameType::kEnd) continue;
    if (start + at + header->total_bytes() > file_.bytes()) continue;
    return FrameAt{start + at, *header};
  }
  return std::nullopt;
}

bool Builder::Take(const FrameAt& frame) {
  switch (frame.header.type) {
    case FrameType::kPages:
    case FrameType::kFate:
      if (index_.frames.size() >= HmemIndex::kMaxFrames) {
        index_.damaged = index_.frames_lost = true;
        findings_.Add(Severity::kLoss, "hmem.too-many-frames",
                      fmt::format("file offset {:#x}", frame.offset),
                      "more frames than this build indexes; the pages of the rest cannot be read");
        return false;
      }
      if (frame.header.flags != 0) {
        index_.damaged = index_.frames_lost = true;
        findings_.Add(
            Severity::kLoss, "hmem.unknown-flag", fmt::format("file offset {:#x}", frame.offset),
            fmt::format(
                "a {} frame with flags {:#x}, which this build does not know; it was skipped",
                format::FrameTypeName(frame.header.type), frame.header.flags));
        return true;
      }
      index_.frames.push_back({.offset = frame.offset,
                               .first_pfn = frame.header.first_pfn,
                               .page_count = frame.header.page_count,
                               .raw_bytes = frame.header.raw_bytes,
                               .type = frame.header.type});
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
  findings_.Add(Severity::kLoss, "hmem.unknown-frame",
                fmt::format("file offset {:#x}", frame.offset),
                fmt::format("a {} frame, which this build does not read; it was skipped",
                            format::FrameTypeName(frame.header.type)));
  return true;
}

bool Builder::TakeChunk(const FrameAt& at, const format::Chunk& chunk) {
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
    if (!Take(frame)) return false;
  }
  return true;
}

void Builder::TakeEnd(const FrameAt& frame) {
  auto payload = file_.ReadPayload(frame);
  auto end =
      payload ? ParseMessage<v1::DumpEnd>(*payload, "END") : std::unexpected(payload.error());
  if (end) {
    index_.end = *std::move(end);
    return;
  }
  findings_.Add(Severity::kLoss, "hmem.end-damaged", fmt::format("file offset {:#x}", frame.offset),
                "the END frame is damaged; totals are not known");
}

Result<bool> Builder::FromEnd() {
  HMEM_ASSIGN(auto end, FindEnd());
  if (!end) return false;
  TakeEnd(*end);
  if (!index_.end) return false;
  uint64_t expected_end = end->offset;  // where the chunk in hand must end
  uint64_t at = index_.end->last_chunk_offset();
  uint64_t number = index_.end->chunks();
  std::string broken;
  while (broken.empty()) {
    auto header = file_.ReadHeader(at);
    if (!header) {
      if (header.error().code() == ErrorCode::kIo) return std::unexpected(header.error());
      broken = header.error().ToString();
      break;
    }
    FrameAt frame{at, *header};
    if (header->type != FrameType::kChunk || header->dump_id != index_.dump_id ||
        at + header->total_bytes() != expected_end) {
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
    if (number == 0 || chunk->number != number - 1 || !TakeChunk(frame, *chunk)) {
      broken = fmt::format("CHUNK {} where {} was expected", chunk->number, number - 1);
      break;
    }
    --number;
    expected_end = chunk->offset;
    if (chunk->previous == format::kNoOffset) {
      if (number == 0 && chunk->offset == 0) return true;
      broken = "the chain ends before the first chunk";
      break;
    }
    if (chunk->previous >= at) broken = "the chain does not go backwards";
    at = chunk->previous;
  }
  findings_.Add(Severity::kError, "hmem.chunk-chain", fmt::format("file offset {:#x}", at),
                fmt::format("{}; every frame was followed from the start instead", broken));
  index_.damaged = true;
  index_.frames.clear();
  index_.end.reset();
  notes_.clear();
  records_.clear();
  return false;
}

Status Builder::ByFollowing() {
  FrameWalker walker(file_, index_.dump_id);
  for (;;) {
    HMEM_ASSIGN(auto frame, walker.Next(findings_));
    if (!frame) break;
    if (!Take(*frame)) break;
    if (frame->header.type == FrameType::kEnd) TakeEnd(*frame);
  }
  index_.damaged |= walker.damaged();
  index_.frames_lost |= walker.damaged();
  return {};
}

void Builder::LoadPayloads() {
  // Chunks were visited from the last to the first.
  std::sort(notes_.begin(), notes_.end());
  std::sort(records_.begin(), records_.end());
  auto load = [&](uint64_t offset) -> Result<std::vector<std::byte>> {
    HMEM_ASSIGN(FrameHeader header, file_.ReadHeader(offset));
    return file_.ReadPayload({offset, header});
  };
  for (uint64_t offset : notes_) {
    auto piece = load(offset);
    if (!piece || index_.notes.size() + piece->size() > HmemIndex::kMaxNoteBytes) {
      index_.damaged = true;
      findings_.Add(Severity::kLoss, "hmem.notes-damaged", fmt::format("file offset {:#x}", offset),
                    "a NOTES frame is damaged; the ELF notes from there on are lost");
      break;
    }
    index_.notes.insert(index_.notes.end(), piece->begin(), piece->end());
  }
  if (records_.empty()) return;
  // The last one: it is the one a later attempt embedded.
  if (auto record = load(records_.back())) {
    index_.first_failure = *std::move(record);
  } else {
    index_.damaged = true;
    findings_.Add(Severity::kLoss, "hmem.record-damaged",
                  fmt::format("file offset {:#x}", records_.back()),
                  "the first-failure record in the dump is damaged");
  }
}

void Builder::Finish() {
  LoadPayloads();
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
  HMEM_ASSIGN(auto payload, file.ReadPayload({0, first}));
  HMEM_ASSIGN(index.header, Within(file.path(), ParseMessage<v1::DumpHeader>(payload, "HEADER")));
  HMEM_TRY(Within(file.path(), CheckHeader(index.header)));
  index.dump_id = first.dump_id;

  Builder builder(file, index, findings);
  HMEM_ASSIGN(bool by_end, builder.FromEnd());
  if (!by_end) HMEM_TRY(builder.ByFollowing());
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
