// SPDX-License-Identifier: GPL-2.0-or-later
// A dump file that gets its name when it is whole: written as NAME.incomplete, synced, renamed.
// Never overwrites.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dumptools/capture/target/fd_sink.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class FileTarget {
 public:
  // kIo with EEXIST: `path` or what an earlier attempt left (`path`.incomplete) is there.
  static Result<FileTarget> Create(const std::string& path);

  FdSink& sink() { return *sink_; }
  const std::string& path() const { return path_; }
  std::string incomplete_path() const { return path_ + std::string(kSuffix); }
  // File and directory are durable under the final name when it returns. On failure the .incomplete
  // file stays.
  Status Commit();
  // Closes, keeping the .incomplete name: what is there can be read.
  Status Leave();
  // Closes and removes what was begun: it holds nothing of use.
  void Discard();

 private:
  static constexpr std::string_view kSuffix = ".incomplete";

  std::string path_;
  std::unique_ptr<FdSink> sink_;
};

// What the file system that will hold `path` has left, for us.
Result<uint64_t> FreeBytes(const std::string& path);

}  // namespace hmem::capture
