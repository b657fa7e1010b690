// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/record_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "dumptools/firstfailure/record_builder.h"
#include "hmem/base/fd.h"

namespace hmem::firstfailure {
namespace {

constexpr size_t kMaxReadBytes = 4 << 20;

// The tag of schema_version, field 1, which every writer puts first.
constexpr std::byte kFirstTag{0x08};

Status RenameWithoutOverwriting(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return FailErrno(to, errno);
  // A file system without RENAME_NOREPLACE.
  struct stat existing;
  if (stat(to.c_str(), &existing) == 0) return FailErrno(to, EEXIST);
  if (rename(from.c_str(), to.c_str()) != 0) return FailErrno(to, errno);
  return {};
}

}  // namespace

Result<std::string> SerializeRecord(const v1::FirstFailure& record) {
  if (!record.whole() || record.schema_version() != kSchemaVersion) {
    return Fail(ErrorCode::kInvalidArgument, "a record without schema version or end mark");
  }
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    record.SerializeToCodedStream(&coded);
  }
  if (bytes.size() > kMaxRecordBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("the record has {} bytes, {} are allowed",
                                               bytes.size(), kMaxRecordBytes));
  }
  return bytes;
}

Status WriteRecordBytes(const std::string& path, std::string_view bytes) {
  struct stat existing;
  if (lstat(path.c_str(), &existing) == 0) return FailErrno(path, EEXIST);
  const std::string temporary = path + ".incomplete";
  HMEM_ASSIGN(UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  Status status = WriteAll(fd.get(), std::as_bytes(std::span(bytes)), temporary);
  if (status && fsync(fd.get()) != 0) status = FailErrno(temporary, errno);
  Status closed = fd.Close(temporary);
  if (status) status = closed;
  if (status) status = RenameWithoutOverwriting(temporary, path);
  if (!status) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncParentDirectory(path);
}

Status WriteRecord(const std::string& path, const v1::FirstFailure& record) {
  HMEM_ASSIGN(std::string bytes, SerializeRecord(record));
  return WriteRecordBytes(path, bytes);
}

bool SniffRecord(std::span<const std::byte> head) {
  // A version of one byte, then the tag of field 2 (identity) or 3 (kernel) with a length.
  return head.size() >= 3 && head[0] == kFirstTag && head[1] != std::byte{0} &&
         head[1] < std::byte{0x80} && (head[2] == std::byte{0x12} || head[2] == std::byte{0x1a});
}

Result<v1::FirstFailure> ParseRecord(std::span<const std::byte> bytes, std::string_view where) {
  auto refuse = [&](ErrorCode code, std::string text) -> std::unexpected<Error> {
    return std::unexpected<Error>(Error(code, std::move(text)).Within(where));
  };
  if (bytes.empty()) return refuse(ErrorCode::kTruncated, "empty");
  if (bytes.size() > kMaxReadBytes) {
    return refuse(ErrorCode::kLimit,
                  fmt::format("{} bytes, a record has at most {}", bytes.size(), kMaxReadBytes));
  }
  if (!SniffRecord(bytes)) return refuse(ErrorCode::kUnsupported, "not a first-failure record");
  v1::FirstFailure record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return refuse(ErrorCode::kCorrupt,
                  fmt::format("first-failure record: its {} bytes do not parse: cut or damaged",
                              bytes.size()));
  }
  if (record.schema_version() != kSchemaVersion) {
    return refuse(ErrorCode::kUnsupported,
                  fmt::format("first-failure record: schema version {}, this build reads {}",
                              record.schema_version(), kSchemaVersion));
  }
  if (!record.whole()) {
    return refuse(ErrorCode::kTruncated,
                  fmt::format("first-failure record: cut at byte {}", bytes.size()));
  }
  return record;
}

Result<v1::FirstFailure> ReadRecord(const std::string& path) {
  HMEM_ASSIGN(auto bytes, ReadFile(path, kMaxReadBytes));
  return ParseRecord(bytes, path);
}

}  // namespace hmem::firstfailure
