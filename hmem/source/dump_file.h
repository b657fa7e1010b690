// SPDX-License-Identifier: GPL-2.0-or-later
// The file a dump is in, read at any offset: regular files and block devices with pread and a small
// cache for small reads, /proc/vmcore through mapped windows, because pread maps and unmaps every
// page there and is some twenty times slower. A flattened file is read as the dump that it makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "hmem/base/findings.h"
#include "hmem/base/result.h"

namespace hmem::source {

class DumpFile {
 public:
  enum class Access {
    kPread,       // a file that shrinks while it is read is an error, not SIGBUS
    kMapWindows,  // where mmap fails, pread; a page with a memory error is kIo, EIO
  };

  // kUnsupported: not a regular file or block device, or a flattened file of another version. kIo.
  // Files of procfs are mapped, all else is read.
  static Result<DumpFile> Open(const std::string& path, uint64_t map_window_bytes);
  // With the access given, whatever file it is.
  static Result<DumpFile> OpenAs(const std::string& path, Access access, uint64_t map_window_bytes);

  DumpFile(DumpFile&&) noexcept;
  DumpFile& operator=(DumpFile&&) noexcept;
  ~DumpFile();

  const std::string& path() const;
  uint64_t size_bytes() const;  // when it was opened; of the dump that a flattened file makes
  // True for /proc/vmcore and other files made up by the kernel.
  bool is_procfs() const;
  // What a flattened file lacks; a source adds them to its own.
  const Findings& findings() const;

  // Reads up to out.size() bytes; fewer only where the file ends. kIo. Safe from several threads,
  // as Read is.
  Result<size_t> ReadSome(uint64_t offset, std::span<std::byte> out) const;
  // Fills `out`. kTruncated: the file ends before.
  Status Read(uint64_t offset, std::span<std::byte> out) const;
  // A mapping of its own that stays as long as the file is open, gone over once: nothing where some
  // of it cannot be read, where the file is not mapped, or when enough was lent. Safe from several
  // threads.
  std::optional<std::span<const std::byte>> Borrow(uint64_t offset, uint64_t bytes) const;

 private:
  struct State;
  explicit DumpFile(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace hmem::source
