// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/hmem_verify.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "hmem/source/hmem_pages.h"

namespace hmem::source {

using format::FrameHeader;
using format::FrameType;

namespace {

class Verifier {
 public:
  Verifier(const HmemFile& file, const HmemIndex& index, Findings& findings)
      : file_(file), index_(index), findings_(findings), walker_(file, index.dump_id) {}

  void Run();

 private:
  void CheckPages(const FrameAt& frame, std::span<const std::byte> payload);
  void CheckFate(const FrameAt& frame, std::span<const std::byte> payload);
  void CheckChunk(const FrameAt& frame, std::span<const std::byte> payload);
  void CheckFrame(const FrameAt& frame, std::span<const std::byte> payload);
  void CheckRecord();
  // Behind a CHUNK frame.
  void BeginChunk();
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
  std::vector<FrameAt> in_chunk_;  // one more than a chunk may list at most
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
  if (covered_.range_count() < kMaxCoveredRanges) {
    covered_.Add({Pfn(header.first_pfn + first), Pfn(header.first_pfn + first + count)});
    return;
  }
  // As the index does it: by frames, which costs one range for a frame and not one for a run.
  covered_.Add({Pfn(header.first_pfn), Pfn(header.first_pfn + header.page_count)});
  findings_.Add(Severity::kLoss, "hmem.too-many-ranges", fmt::format("pfn {:#x}", header.first_pfn),
                "the pages lie in more pieces than are counted; what these frames leave out was "
                "not looked for");
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
  } else if (!std::equal(chunk->entries.begin(), chunk->entries.end(), in_chunk_.begin(),
                         in_chunk_.end(), [&](const format::ChunkEntry& entry, const FrameAt& at) {
                           return chunk->offset + entry.offset == at.offset &&
                                  entry.type == at.header.type && entry.flags == at.header.flags &&
                                  entry.first_pfn == at.header.first_pfn &&
                                  entry.page_count == at.header.page_count &&
                                  entry.stored_bytes == at.header.stored_bytes &&
                                  entry.raw_bytes == at.header.raw_bytes;
                         })) {
    Damage(frame, "hmem.chunk-list",
           fmt::format("chunk {}: its list of frames differs from the frames", chunk->number));
  }
}

void Verifier::BeginChunk() {
  digest_.Reset();
  in_chunk_.clear();
  chunk_start_ = expected_ = walker_.end_offset();
  contiguous_ = true;
}

void Verifier::CheckFrame(const FrameAt& frame, std::span<const std::byte> payload) {
  if (format::PayloadDigest(payload) != frame.header.payload_xxh3) {
    return Damage(frame, "hmem.payload-digest",
                  fmt::format("the payload of a {} frame does not match its digest",
                              format::FrameTypeName(frame.header.type)));
  }
  if (frame.header.flags != 0) return;  // the index tells of it
  switch (frame.header.type) {
    case FrameType::kPages:
      return CheckPages(frame, payload);
    case FrameType::kFate:
      return CheckFate(frame, payload);
    case FrameType::kChunk:
      return CheckChunk(frame, payload);
    default:
      return;
  }
}

void Verifier::CheckRecord() {
  const std::string& expected = index_.header.record_sha256();
  if (expected.empty() || index_.first_failure.empty()) return;
  std::string digest(crypto_hash_sha256_BYTES, '\0');
  ::crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                       reinterpret_cast<const unsigned char*>(index_.first_failure.data()),
                       index_.first_failure.size());
  if (digest == expected) return;
  findings_.Add(Severity::kError, "hmem.record-digest", "",
                "the first-failure record is not the one that HEADER names by its SHA-256");
}

void Verifier::Run() {
  while (auto frame = walker_.Next(findings_)) {
    if (frame->offset != expected_) contiguous_ = false;
    expected_ = walker_.end_offset();
    std::vector<std::byte> bytes(frame->header.total_bytes());
    if (Status read = file_.ReadExactly(frame->offset, bytes); !read) {
      contiguous_ = false;
      Damage(*frame, "hmem.io",
             fmt::format("the dump cannot be read here: {}", read.error().ToString()));
    } else {
      if (frame->header.type != FrameType::kChunk) {
        digest_.Update(bytes);
        if (in_chunk_.size() <= format::kMaxFramesPerChunk) in_chunk_.push_back(*frame);
      }
      CheckFrame(*frame,
                 std::span(bytes).subspan(format::kFrameHeaderBytes, frame->header.stored_bytes));
    }
    if (frame->header.type == FrameType::kChunk) BeginChunk();
  }
  CheckRecord();
  if (index_.end && index_.end->pages_kept() != pages_held_) {
    findings_.Add(
        Severity::kError, "hmem.page-count", "",
        fmt::format("{} pages are there, END counted {}", pages_held_, index_.end->pages_kept()));
  }
  ReportNotReached(index_, covered_, findings_);
}

}  // namespace

void VerifyHmem(const HmemFile& file, const HmemIndex& index, Findings& findings) {
  Verifier(file, index, findings).Run();
}

}  // namespace hmem::source
