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

Status MayWriteOver(int fd, const std::string& path, Overwrite allowed) {
  using Kind = device::DeviceContent::Kind;
  if (allowed == Overwrite::kAnything) return {};
  HMEM_ASSIGN(device::DeviceContent content, device::ReadDeviceContent(fd, path));
  bool dump = content.kind == Kind::kHmemDump;
  if (content.kind == Kind::kBlank || (dump && allowed == Overwrite::kDump)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: holds {}; {} writes over it", path, content.Describe(),
                          dump ? "--overwrite-dump" : "--overwrite-device"));
}

Result<std::unique_ptr<FdSink>> OpenDevice(const std::string& path, Overwrite allowed,
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
  HMEM_TRY(MayWriteOver(fd.get(), path, allowed));
  return std::make_unique<FdSink>(std::move(fd), FdSink::Kind::kDevice, path, offset, bytes);
}

Status SyncDevice(const std::string& path) {
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  FdSink sink(std::move(fd), FdSink::Kind::kDevice, path, 0);
  HMEM_TRY(sink.Sync());
  return sink.Close();
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
    auto frame = walker.Next(ignored);
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

Result<bool> HasEnd(const std::string& path, const format::DumpId& dump_id) {
  HMEM_ASSIGN(auto file, source::HmemFile::Open(path));
  source::FrameWalker walker(file, dump_id);
  Findings ignored;
  while (auto frame = walker.Next(ignored)) {
    if (frame->header.type == FrameType::kEnd) return true;
  }
  return false;
}

}  // namespace hmem::capture
