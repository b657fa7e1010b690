// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/target/device_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "hmem/base/fd.h"
#include "hmem/device/device_content.h"
#include "hmem/source/hmem_stream.h"

namespace hmem::capture {

using format::FrameType;

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
    HMEM_ASSIGN(device::DeviceContent content, device::ReadDeviceContent(fd.get(), path));
    if (content.kind != device::DeviceContent::Kind::kBlank) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: holds {}; --overwrite-device writes over it", path, content.Describe()));
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
