// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_verify.h"

#include <fmt/format.h>

#include <array>

#include "hmem/source/hmem_pages.h"

namespace hmem::source {

using format::FrameHeader;
using format::FrameType;

namespace {

class Verifier {
 public:
  Verifier(const HmemFile& file, const HmemIndex& index, Findings& findings)
      : file_(file), index_(index), findings_(findings), walker_(file, index.dump_id) {}

  Status Run();

 private:
  void CheckPages(const FrameAt& frame, std::span<const std::byte> payload);
  void CheckFate(const FrameAt& frame, std::span<const std::byte> payload);
  void CheckChunk(const FrameAt& frame, std::span<const std::byte> payload);
  // What is said of these pfns is lost with the frame.
  void Damage(const FrameAt& frame, std::string_view id, std::string_view text);
  void Cover(const FrameHeader& header, uint64_t first, uint64_t count);

  const HmemFile& file_;
  const HmemIndex& index_;
  Findings& findings_;
  FrameWalker walker_;
  PfnSet covered_;
  format::ChunkDigest digest_;
  uint64_t chunk_start_ = 0;
  uint64_t expected_ = 0;  // where the next frame must start for the chunk digest to mean something
  bool contiguous_ = true;
  uint64_t pages_held_ = 0;
};

void Verifier::Damage(const FrameAt& frame, std::string_view id, std::string_view text) {
  std::string place = fmt::format("file offset {:#x}", frame.offset);
  if (frame.header.page_count != 0) {
    place += fmt::format(", pfn {:#x} to {:#x}", frame.header.first_pfn,
                         frame.header.first_pfn + frame.header.page_count);
  }
  findings_.Add(Severity::kError, id, place, text);
}

void Verifier::Cover(const FrameHeader& header, uint64_t first, uint64_t count) {
  covered_.Add({Pfn(header.first_pfn + first), Pfn(header.first_pfn + first + count)});
}

void Verifier::CheckPages(const FrameAt& frame, std::span<const std::byte> payload) {
  auto head = format::DecodePagesHead(frame.header, index_.header.page_bytes(), payload);
  if (!head) return Damage(frame, "hmem.pages-damaged", head.error().ToString());
  for (size_t block = 0; block < head->blocks.size(); ++block) {
    const format::BlockEntry& entry = head->blocks[block];
    auto raw =
        UnpackBlock(frame.header, *head, block, payload.subspan(entry.offset, entry.stored_bytes));
    if (!raw) Damage(frame, "hmem.pages-damaged", raw.error().ToString());
  }
  for (const format::PageRun& run : head->runs) {
    Cover(frame.header, run.first, run.count);
    pages_held_ += run.count;
  }
}

void Verifier::CheckFate(const FrameAt& frame, std::span<const std::byte> payload) {
  auto runs = format::DecodeFate(frame.header, payload);
  if (!runs) return Damage(frame, "hmem.fate-damaged", runs.error().ToString());
  for (const format::FateRun& run : *runs) {
    Cover(frame.header, run.first, run.count);
    if (run.fate == format::StoredFate::kUnreadable) {
      uint64_t first = frame.header.first_pfn + run.first;
      findings_.Add(
          Severity::kLoss, "hmem.unreadable",
          fmt::format("pfn {:#x} to {:#x}: errno {}", first, first + run.count, run.error_number),
          "these pages could not be read when the dump was made");
    }
  }
}

void Verifier::CheckChunk(const FrameAt& frame, std::span<const std::byte> payload) {
  auto chunk = format::DecodeChunk(frame.header, payload);
  if (!chunk) {
    Damage(frame, "hmem.chunk-damaged", chunk.error().ToString());
  } else if (!contiguous_ || chunk->offset != chunk_start_ ||
             chunk->offset + chunk->bytes != frame.offset) {
    // A damaged header was skipped on the way (a finding of its own): the digest cannot be
    // compared.
    Damage(frame, "hmem.chunk-damaged",
           "the frames in front of it are not those that the chunk lists");
  } else if (chunk->digest != digest_.Finish()) {
    Damage(frame, "hmem.chunk-digest",
           fmt::format("chunk {}: digest of {} bytes from file offset {:#x} does not match",
                       chunk->number, chunk->bytes, chunk->offset));
  }
  digest_.Reset();
  chunk_start_ = expected_ = walker_.end_offset();
  contiguous_ = true;
}

Status Verifier::Run() {
  for (;;) {
    HMEM_ASSIGN(auto frame, walker_.Next(findings_));
    if (!frame) break;
    if (frame->offset != expected_) contiguous_ = false;
    expected_ = walker_.end_offset();
    std::vector<std::byte> bytes(frame->header.total_bytes());
    HMEM_TRY(file_.ReadExactly(frame->offset, bytes));
    auto payload = std::span(bytes).subspan(format::kFrameHeaderBytes, frame->header.stored_bytes);
    if (frame->header.type != FrameType::kChunk) digest_.Update(bytes);
    if (format::PayloadDigest(payload) != frame->header.payload_xxh3) {
      Damage(*frame, "hmem.payload-digest",
             fmt::format("the payload of a {} frame does not match its digest",
                         format::FrameTypeName(frame->header.type)));
      continue;
    }
    switch (frame->header.type) {
      case FrameType::kPages:
        CheckPages(*frame, payload);
        break;
      case FrameType::kFate:
        CheckFate(*frame, payload);
        break;
      case FrameType::kChunk:
        CheckChunk(*frame, payload);
        break;
      default:
        break;
    }
  }
  if (index_.end && index_.end->pages_kept() != pages_held_) {
    findings_.Add(
        Severity::kError, "hmem.page-count", "",
        fmt::format("{} pages are there, END counted {}", pages_held_, index_.end->pages_kept()));
  }
  ReportNotReached(index_, covered_, findings_);
  return {};
}

}  // namespace

Status VerifyHmem(const HmemFile& file, const HmemIndex& index, Findings& findings) {
  return Verifier(file, index, findings).Run();
}

}  // namespace hmem::source
