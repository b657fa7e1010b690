// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/report_file.h"

#include <span>

namespace hmem::dump {

Result<ReportFile> ReportFile::Begin(const std::string& path) {
  HMEM_ASSIGN(auto file, capture::FileTarget::Create(path));
  return ReportFile(std::move(file));
}

ReportFile::~ReportFile() {
  if (file_) file_->Discard();
}

Status ReportFile::Finish(const std::string& text) {
  HMEM_TRY(file_->sink().Append(std::as_bytes(std::span(text))));
  HMEM_TRY(file_->Commit());
  file_.reset();
  return {};
}

}  // namespace hmem::dump
