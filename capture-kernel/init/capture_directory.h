// SPDX-License-Identifier: GPL-2.0-or-later
// The directory of one crash on a file-system target: first-failure.pb, dump.hmem, capture.log, and
// what failed attempts left behind until a later one had everything.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "hmem/base/result.h"

namespace hmem::init {

constexpr std::string_view kRecordFile = "first-failure.pb";
constexpr std::string_view kDumpFile = "dump.hmem";

// Every call but name() and path() touches the target, and may block as long as its disk does.
class CaptureDirectory {
 public:
  // Makes "<base>/hmem-20261122T105000Z", with "-1" and so on behind it when it is there already;
  // durable when it returns. `base` and what is above it are made too when they are missing. kIo;
  // kLimit after 1000 names.
  static Result<CaptureDirectory> Create(const std::string& base, std::time_t now);

  // One that Create() has made, maybe in another process.
  explicit CaptureDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // "hmem-20261122T105000Z"
  std::string name() const { return path_.substr(path_.rfind('/') + 1); }
  std::string File(std::string_view name) const;

  // By their final names, which they get when their content is durable; the name itself may still
  // be in memory only.
  bool HasRecord() const;
  bool HasDump() const;
  // fsync of a file and of its name. kIo.
  Status Sync(std::string_view file) const;
  // dump.hmem.incomplete becomes dump.attempt<N>.hmem.incomplete; nothing when there is none.
  Status KeepAttempt(int attempt) const;
  // After a dump with nothing missing is durable: removes the kept attempts.
  Status RemoveAttempts() const;
  // Best effort.
  Status WriteLog(std::string_view text) const;

 private:
  std::string path_;
};

}  // namespace hmem::init
