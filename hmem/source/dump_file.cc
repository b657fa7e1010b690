// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/dump_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <mutex>

#include "hmem/base/address.h"
#include "hmem/base/fd.h"
#include "hmem/base/file_mapping.h"
#include "hmem/format/flattened.h"
#include "hmem/source/block_cache.h"
#include "hmem/source/flattened_index.h"
#include "hmem/source/window_cache.h"

namespace hmem::source {

struct DumpFile::State {
  State(UniqueFd file, std::string name, uint64_t bytes, bool procfs, Access how,
        uint64_t map_window_bytes)
      : fd(std::move(file)),
        path(std::move(name)),
        size_bytes(bytes),
        is_procfs(procfs),
        access(how),
        blocks([this](uint64_t offset, std::span<std::byte> out) {
          return PreadSome(fd.get(), out, offset, path);
        }),
        windows(map_window_bytes, path, [this](uint64_t offset, size_t bytes_wanted) {
          return FileMapping::Map(fd.get(), offset, bytes_wanted, path);
        }) {}

  // Of the file itself, flattened or not.
  Result<size_t> ReadSome(uint64_t offset, std::span<std::byte> out) {
    if (access == Access::kMapWindows) {
      std::lock_guard lock(mutex);
      return ReadMapped(offset, out);
    }
    if (out.size() <= BlockCache::kLargestRead) {
      std::lock_guard lock(mutex);
      return blocks.Read(offset, out);
    }
    return PreadSome(fd.get(), out, offset, path);
  }

  Result<size_t> ReadFlattened(uint64_t offset, std::span<std::byte> out) {
    size_t done = 0;
    while (done < out.size() && offset + done < size_bytes) {
      FlattenedIndex::Piece piece = flattened->At(offset + done);
      std::span<std::byte> part = out.subspan(done);
      part = part.first(std::min<uint64_t>(part.size(), piece.bytes));
      if (piece.in_file) {
        HMEM_ASSIGN(size_t n, ReadSome(piece.file_offset, part));
        if (n < part.size()) return done + n;
      } else {
        std::ranges::fill(part, std::byte{0});
      }
      done += part.size();
    }
    return done;
  }

  // Reads the index of a flattened file, where this is one.
  Status FindFlattened() {
    std::array<std::byte, format::kFlattenedSignature.size()> head;
    HMEM_ASSIGN(size_t n, ReadSome(0, head));
    auto signature = std::as_bytes(std::span(format::kFlattenedSignature));
    if (n < head.size() || !std::ranges::equal(head, signature)) return {};
    auto read = [this](uint64_t offset, std::span<std::byte> out) { return ReadSome(offset, out); };
    auto index = Within(path, FlattenedIndex::Read(read, size_bytes, findings));
    if (!index) return std::unexpected(index.error());
    findings.Add(Severity::kInfo, "source.flattened", path,
                 "a flattened file (makedumpfile -F), read as the dump that it makes");
    flattened = *std::move(index);
    size_bytes = flattened->size_bytes();
    return {};
  }

  Result<size_t> ReadMapped(uint64_t offset, std::span<std::byte> out) {
    size_t done = 0;
    while (done < out.size()) {
      uint64_t at = offset + done;
      std::span<std::byte> piece = out.subspan(done);
      piece = piece.first(std::min<uint64_t>(piece.size(), windows.BytesLeft(at)));
      size_t n = 0;
      // A file of procfs may have more than its size says.
      if (at < size_bytes) {
        HMEM_ASSIGN(n, windows.Copy(at, piece, {.start = 0, .end = size_bytes}));
      }
      if (n == 0) {
        HMEM_ASSIGN(n, PreadSome(fd.get(), piece, at, path));
        if (n == 0) break;
      }
      done += n;
    }
    return done;
  }

  UniqueFd fd;
  std::string path;
  uint64_t size_bytes;
  bool is_procfs;
  Access access;
  std::mutex mutex;  // of both caches
  BlockCache blocks;
  WindowCache windows;
  std::optional<FlattenedIndex> flattened;
  Findings findings;
};

DumpFile::DumpFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
DumpFile::DumpFile(DumpFile&&) noexcept = default;
DumpFile& DumpFile::operator=(DumpFile&&) noexcept = default;
DumpFile::~DumpFile() = default;

const std::string& DumpFile::path() const { return state_->path; }
uint64_t DumpFile::size_bytes() const { return state_->size_bytes; }
bool DumpFile::is_procfs() const { return state_->is_procfs; }
const Findings& DumpFile::findings() const { return state_->findings; }

namespace {

struct OpenedFile {
  UniqueFd fd;
  uint64_t size_bytes = 0;
  bool is_procfs = false;
};

Result<OpenedFile> OpenDump(const std::string& path) {
  OpenedFile file;
  // O_NONBLOCK: a FIFO without a writer is refused below, not waited for.
  HMEM_ASSIGN(file.fd, OpenFile(path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (::fstat(file.fd.get(), &info) != 0) return FailErrno(fmt::format("{}: stat", path), errno);
  if (S_ISDIR(info.st_mode))
    return Fail(ErrorCode::kUnsupported, fmt::format("{}: a directory, not a dump", path));
  if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: neither a regular file nor a block device", path));
  }
  off_t size = S_ISREG(info.st_mode) ? info.st_size : ::lseek(file.fd.get(), 0, SEEK_END);
  if (size < 0) return FailErrno(fmt::format("{}: seek", path), errno);
  file.size_bytes = static_cast<uint64_t>(size);
  struct statfs system;
  if (::fstatfs(file.fd.get(), &system) != 0)
    return FailErrno(fmt::format("{}: statfs", path), errno);
  file.is_procfs = system.f_type == PROC_SUPER_MAGIC;
  return file;
}

}  // namespace

Result<DumpFile> DumpFile::Open(const std::string& path, uint64_t map_window_bytes) {
  HMEM_ASSIGN(OpenedFile file, OpenDump(path));
  Access access = file.is_procfs ? Access::kMapWindows : Access::kPread;
  auto state = std::make_unique<State>(std::move(file.fd), path, file.size_bytes, file.is_procfs,
                                       access, map_window_bytes);
  if (!file.is_procfs) HMEM_TRY(state->FindFlattened());
  return DumpFile(std::move(state));
}

Result<DumpFile> DumpFile::OpenAs(const std::string& path, Access access,
                                  uint64_t map_window_bytes) {
  HMEM_ASSIGN(OpenedFile file, OpenDump(path));
  return DumpFile(std::make_unique<State>(std::move(file.fd), path, file.size_bytes, file.is_procfs,
                                          access, map_window_bytes));
}

Result<size_t> DumpFile::ReadSome(uint64_t offset, std::span<std::byte> out) const {
  uint64_t end;
  if (!CheckedAdd(offset, out.size(), &end) ||
      end > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return size_t{0};  // no file reaches that far
  }
  return state_->flattened ? state_->ReadFlattened(offset, out) : state_->ReadSome(offset, out);
}

Status DumpFile::Read(uint64_t offset, std::span<std::byte> out) const {
  HMEM_ASSIGN(size_t n, ReadSome(offset, out));
  if (n < out.size()) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("{}: file offset {:#x}: {} bytes wanted, the file ends after {}",
                            state_->path, offset, out.size(), n));
  }
  return {};
}

std::optional<std::span<const std::byte>> DumpFile::Borrow(uint64_t offset, uint64_t bytes) const {
  uint64_t end;
  if (state_->access != Access::kMapWindows || !CheckedAdd(offset, bytes, &end) ||
      end > state_->size_bytes) {
    return std::nullopt;
  }
  std::lock_guard lock(state_->mutex);
  return state_->windows.Lend(offset, bytes, {.start = 0, .end = state_->size_bytes});
}

}  // namespace hmem::source
