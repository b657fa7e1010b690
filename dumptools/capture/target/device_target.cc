// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/device_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "hmem/base/fd.h"
#include "hmem/source/hmem_stream.h"

namespace hmem::capture {

using format::FrameType;

namespace {

constexpr size_t kHeadBytes = 128 << 10;

struct Signature {
  size_t offset;
  std::string_view bytes;
  std::string_view what;
};

// Places from the formats' own headers in include/uapi/linux and fs/*; the MBR last, since its mark
// is also in others.
using namespace std::string_view_literals;
constexpr std::array kSignatures = {
    Signature{0, "\x89HMF"sv, "an earlier .hmem dump"},
    Signature{512, "EFI PART"sv, "a GPT partition table"},
    Signature{4096, "EFI PART"sv, "a GPT partition table"},
    Signature{0x438, "\x53\xef"sv, "an ext file system"},
    Signature{0, "XFSB"sv, "an XFS file system"},
    Signature{0x10040, "_BHRfS_M"sv, "a btrfs file system"},
    Signature{0x400, "\x10\x20\xf5\xf2"sv, "an F2FS file system"},
    Signature{0, "hsqs"sv, "a squashfs image"},
    Signature{3, "NTFS    "sv, "an NTFS file system"},
    Signature{3, "EXFAT   "sv, "an exFAT file system"},
    Signature{32769, "CD001"sv, "an ISO 9660 file system"},
    Signature{0, "LUKS\xba\xbe"sv, "a LUKS volume"},
    Signature{0, "LABELONE"sv, "an LVM physical volume"},
    Signature{512, "LABELONE"sv, "an LVM physical volume"},
    Signature{1024, "LABELONE"sv, "an LVM physical volume"},
    Signature{1536, "LABELONE"sv, "an LVM physical volume"},
    Signature{0, "\xfc\x4e\x2b\xa9"sv, "an md RAID member"},
    Signature{4096, "\xfc\x4e\x2b\xa9"sv, "an md RAID member"},
    Signature{4096 - 10, "SWAPSPACE2"sv, "swap space"},
    Signature{65536 - 10, "SWAPSPACE2"sv, "swap space"},
    Signature{0, "KDUMP   "sv, "a kdump-compressed dump"},
    Signature{510, "\x55\xaa"sv, "a partition table or FAT file system"},
};

}  // namespace

std::string_view KnownSignature(std::span<const std::byte> head) {
  std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Signature& signature : kSignatures) {
    if (text.size() >= signature.offset + signature.bytes.size() &&
        text.substr(signature.offset).starts_with(signature.bytes)) {
      return signature.what;
    }
  }
  return {};
}

Result<std::unique_ptr<FdSink>> OpenDevice(const std::string& path, bool overwrite,
                                           uint64_t offset) {
  auto opened = OpenFile(path, O_RDWR | O_EXCL);
  if (!opened) {
    if (opened.error().errno_value() == EBUSY)
      return FailErrno(fmt::format("{}: mounted, or held by another device", path), EBUSY);
    return std::unexpected(opened.error());
  }
  UniqueFd fd = *std::move(opened);
  uint64_t bytes = 0;
  if (::ioctl(fd.get(), BLKGETSIZE64, &bytes) != 0)
    return FailErrno(fmt::format("{}: BLKGETSIZE64", path), errno);
  if (!overwrite) {
    std::vector<std::byte> head(kHeadBytes);
    HMEM_ASSIGN(size_t got, PreadSome(fd.get(), head, 0, path));
    if (auto what = KnownSignature(std::span(head).first(got)); !what.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: holds {}; --overwrite-device writes over it", path, what));
    }
  }
  return std::make_unique<FdSink>(std::move(fd), FdSink::Kind::kDevice, path, offset, bytes);
}

Result<std::optional<BegunStream>> FindBegunStream(const std::string& path) {
  HMEM_ASSIGN(auto file, source::HmemFile::Open(path));
  auto first = file.ReadHeader(0);
  if (!first && first.error().code() == ErrorCode::kIo) return std::unexpected(first.error());
  if (!first || first->type != FrameType::kHeader) return std::nullopt;

  BegunStream stream;
  stream.dump_id = first->dump_id;
  source::FrameWalker walker(file, first->dump_id);
  Findings ignored;  // an unfinished stream is what is expected here
  uint16_t attempt = 0;
  uint64_t frames = 0;
  for (;;) {
    HMEM_ASSIGN(auto frame, walker.Next(ignored));
    if (!frame || walker.damaged()) return std::nullopt;
    auto payload = file.ReadPayload(*frame);
    if (!payload) return std::nullopt;
    attempt = std::max(attempt, format::SequenceAttempt(frame->header.sequence));
    ++frames;
    if (frame->header.type == FrameType::kHeader) {
      if (!stream.header.ParseFromArray(payload->data(), static_cast<int>(payload->size())))
        return std::nullopt;
    } else if (frame->header.type == FrameType::kFirstFailure) {
      stream.record = *std::move(payload);
    } else if (frame->header.type == FrameType::kChunk) {
      stream.position = {.offset = walker.end_offset(),
                         .next_number = frames,
                         .next_chunk = 1,
                         .last_chunk_offset = frame->offset};
      break;
    } else if (frame->header.type != FrameType::kPad) {
      return std::nullopt;  // the first chunk of a begun stream holds nothing else
    }
  }
  if (stream.record.empty()) return std::nullopt;
  // What an attempt before this one wrote starts right here.
  auto next = file.ReadHeader(stream.position.offset);
  if (next && next->dump_id == stream.dump_id)
    attempt = std::max(attempt, format::SequenceAttempt(next->sequence));
  stream.next_attempt = static_cast<uint16_t>(attempt + 1);
  return stream;
}

}  // namespace hmem::capture
