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

  // What Create() would refuse, as far as that can be told without making a file.
  static Status MayCreate(const std::string& path);

  FdSink& sink() { return *sink_; }
  const std::string& path() const { return path_; }
  std::string incomplete_path() const { return path_ + std::string(kSuffix); }
  // Under which of the two names the file is there now.
  std::string present_path() const { return renamed_ ? path_ : incomplete_path(); }
  // File and directory are durable under the final name when it returns. On failure the file stays
  // at present_path().
  Status Commit();
  // Closes, keeping the .incomplete name: what is there can be read.
  Status Leave();
  // Closes and removes what was begun: it holds nothing of use.
  void Discard();

 private:
  static constexpr std::string_view kSuffix = ".incomplete";

  std::string path_;
  bool renamed_ = false;
  std::unique_ptr<FdSink> sink_;
};

// A new file of this name can be made, as far as that can be told without making it. kIo with
// EEXIST when it is there.
Status MayMakeFile(const std::string& path);

// What the file system that will hold `path` has left, for us.
Result<uint64_t> FreeBytes(const std::string& path);

}  // namespace hmem::capture
