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
#include <set>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/fd.h"
#include "hmem/base/file_mapping.h"
#include "hmem/base/guarded_copy.h"

namespace hmem::source {
namespace {

constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

// Pages of the file that small reads (tables, lists, strings) come back to. Direct-mapped; 256 KiB.
class BlockCache {
 public:
  static constexpr size_t kBlockBytes = 4096;
  static constexpr size_t kBlocks = 64;
  // Larger reads gain nothing from a copy in between.
  static constexpr size_t kLargestRead = 1024;

  Result<size_t> Read(int fd, uint64_t offset, std::span<std::byte> out, std::string_view path) {
    size_t done = 0;
    while (done < out.size()) {
      uint64_t number = (offset + done) / kBlockBytes;
      HMEM_ASSIGN(std::span<const std::byte> block, Get(fd, number, path));
      uint64_t at = (offset + done) % kBlockBytes;
      if (at >= block.size()) break;
      size_t n = std::min<size_t>(block.size() - at, out.size() - done);
      std::copy_n(block.begin() + static_cast<ptrdiff_t>(at), n,
                  out.begin() + static_cast<ptrdiff_t>(done));
      done += n;
    }
    return done;
  }

 private:
  struct Slot {
    uint64_t number = kNone;
    std::vector<std::byte> bytes;
  };

  Result<std::span<const std::byte>> Get(int fd, uint64_t number, std::string_view path) {
    Slot& slot = slots_[number % kBlocks];
    if (slot.number != number) {
      slot.number = kNone;
      slot.bytes.resize(kBlockBytes);
      HMEM_ASSIGN(size_t n, PreadSome(fd, slot.bytes, number * kBlockBytes, path));
      slot.bytes.resize(n);
      slot.number = number;
    }
    return slot.bytes;
  }

  std::array<Slot, kBlocks> slots_;
};

// Mapped windows. Setting one up costs as much as hundreds of page-wise reads, so it waits until a
// window is wanted for a large read or several times running: a walk that jumps about memory stays
// with pread.
class WindowCache {
 public:
  WindowCache(uint64_t window_bytes, uint64_t file_bytes) : file_bytes_(file_bytes) {
    page_bytes_ = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    window_bytes_ = std::max(window_bytes / page_bytes_ * page_bytes_, page_bytes_);
  }

  // Copies what one window holds of [offset, offset + out.size()); 0: not mapped, read it
  // otherwise. kIo, EIO: a page of it cannot be read. That is for good: such a page is not touched
  // again, least of all by the kernel, which a memory error in pread(2) would take down.
  Result<size_t> Copy(int fd, uint64_t offset, std::span<std::byte> out, std::string_view path) {
    if (offset >= file_bytes_) return size_t{0};
    auto bad = bad_pages_.lower_bound(offset / page_bytes_ * page_bytes_);
    if (bad != bad_pages_.end() && *bad < offset + out.size()) return Unreadable(*bad, path);
    uint64_t start = offset / window_bytes_ * window_bytes_;
    Window* window = Find(start);
    if (window == nullptr && Wanted(start, out.size())) window = Map(fd, start, path);
    if (window == nullptr) return size_t{0};
    window->used = ++clock_;
    std::span<const std::byte> bytes = window->mapping.bytes().subspan(offset - start);
    size_t n = std::min(bytes.size(), out.size());
    if (auto fault = GuardedCopy(out, bytes.first(n))) {
      uint64_t page = (offset + *fault) / page_bytes_ * page_bytes_;
      if (bad_pages_.size() < kMaxBadPages) bad_pages_.insert(page);
      return Unreadable(page, path);
    }
    return n;
  }

  // Bytes up to the end of the window that holds `offset`.
  uint64_t BytesLeft(uint64_t offset) const { return window_bytes_ - offset % window_bytes_; }

 private:
  static constexpr size_t kWindows = 2;  // one runs through memory, one serves what it refers to
  static constexpr size_t kLargeRead = 64 * 1024;
  static constexpr int kMissesBeforeMapping = 4;
  static constexpr int kFailuresBeforeGivingUp = 4;
  static constexpr size_t kMaxBadPages = 1024;

  struct Window {
    uint64_t start = kNone;
    uint64_t used = 0;
    FileMapping mapping;
  };

  static std::unexpected<Error> Unreadable(uint64_t page, std::string_view path) {
    return FailErrno(fmt::format("{}: offset {:#x}: memory error", path, page), EIO);
  }

  Window* Find(uint64_t start) {
    auto it = std::find_if(windows_.begin(), windows_.end(),
                           [&](const Window& w) { return w.start == start; });
    return it == windows_.end() ? nullptr : &*it;
  }

  bool Wanted(uint64_t start, size_t bytes) {
    if (failures_ >= kFailuresBeforeGivingUp) return false;
    misses_ = start == missed_ ? misses_ + 1 : 1;
    missed_ = start;
    return bytes >= std::min<uint64_t>(kLargeRead, window_bytes_) ||
           misses_ >= kMissesBeforeMapping;
  }

  Window* Map(int fd, uint64_t start, std::string_view path) {
    Window& window =
        *std::min_element(windows_.begin(), windows_.end(),
                          [](const Window& a, const Window& b) { return a.used < b.used; });
    window.start = kNone;
    window.mapping.Reset();
    auto mapping = FileMapping::Map(fd, start, std::min(window_bytes_, file_bytes_ - start), path);
    if (!mapping) {
      ++failures_;
      return nullptr;
    }
    window.mapping = *std::move(mapping);
    window.start = start;
    return &window;
  }

  uint64_t page_bytes_;
  uint64_t window_bytes_;
  uint64_t file_bytes_;
  std::set<uint64_t> bad_pages_;  // by file offset
  std::array<Window, kWindows> windows_;
  uint64_t clock_ = 0;
  uint64_t missed_ = kNone;
  int misses_ = 0;
  int failures_ = 0;
};

}  // namespace

struct DumpFile::State {
  State(UniqueFd file, std::string name, uint64_t bytes, bool procfs, Access how,
        uint64_t map_window_bytes)
      : fd(std::move(file)),
        path(std::move(name)),
        size_bytes(bytes),
        is_procfs(procfs),
        access(how),
        windows(map_window_bytes, bytes) {}

  Result<size_t> ReadMapped(uint64_t offset, std::span<std::byte> out) {
    size_t done = 0;
    while (done < out.size()) {
      uint64_t at = offset + done;
      size_t want =
          static_cast<size_t>(std::min<uint64_t>(out.size() - done, windows.BytesLeft(at)));
      HMEM_ASSIGN(size_t n, windows.Copy(fd.get(), at, out.subspan(done, want), path));
      if (n == 0) {
        HMEM_ASSIGN(n, PreadSome(fd.get(), out.subspan(done, want), at, path));
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
};

DumpFile::DumpFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
DumpFile::DumpFile(DumpFile&&) noexcept = default;
DumpFile& DumpFile::operator=(DumpFile&&) noexcept = default;
DumpFile::~DumpFile() = default;

const std::string& DumpFile::path() const { return state_->path; }
uint64_t DumpFile::size_bytes() const { return state_->size_bytes; }
bool DumpFile::is_procfs() const { return state_->is_procfs; }

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
  return DumpFile(std::make_unique<State>(std::move(file.fd), path, file.size_bytes, file.is_procfs,
                                          access, map_window_bytes));
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
  if (state_->access == Access::kMapWindows) {
    std::lock_guard lock(state_->mutex);
    return state_->ReadMapped(offset, out);
  }
  if (out.size() <= BlockCache::kLargestRead) {
    std::lock_guard lock(state_->mutex);
    return state_->blocks.Read(state_->fd.get(), offset, out, state_->path);
  }
  return PreadSome(state_->fd.get(), out, offset, state_->path);
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

}  // namespace hmem::source
