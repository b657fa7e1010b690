// SPDX-License-Identifier: GPL-2.0-or-later
// --report: the result as a file of its own, begun before the dump so that a place that takes no
// file is known in time, and under its name only when all of it is durable.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "dumptools/capture/target/file_target.h"
#include "hmem/base/result.h"

namespace hmem::dump {

// Move-only. What was begun and not finished goes with it.
class ReportFile {
 public:
  // kIo: no file can be made there, or one of that name is there already.
  static Result<ReportFile> Begin(const std::string& path);

  ReportFile(ReportFile&& other) noexcept = default;
  ReportFile& operator=(ReportFile&&) = delete;
  ~ReportFile();

  // kIo: the text is not durable, and nothing of it is left.
  Status Finish(const std::string& text);

 private:
  explicit ReportFile(capture::FileTarget file)
      : file_(std::make_unique<capture::FileTarget>(std::move(file))) {}

  std::unique_ptr<capture::FileTarget> file_;
};

}  // namespace hmem::dump
