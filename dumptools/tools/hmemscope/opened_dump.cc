// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemscope/opened_dump.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/firstfailure/record_store.h"
#include "dumptools/tools/hmemscope/record_findings.h"
#include "hmem/base/fd.h"

namespace hmem::hmemscope {
namespace {

constexpr size_t kHeadBytes = 64;

bool IsRegularFile(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// Errors of the layers below may name the path already.
Error Naming(const std::string& path, Error error) {
  if (error.ToString().find(path) != std::string::npos) return error;
  return std::move(error).Within(path);
}

}  // namespace

Result<OpenedDump> OpenedDump::Open(const std::string& path) {
  OpenedDump dump;
  dump.path_ = path;
  // Only a file can be a bare record. Opening a pipe would wait for its writer; source::Open says
  // what such a thing is.
  if (IsRegularFile(path)) {
    std::array<std::byte, kHeadBytes> head;
    HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
    HMEM_ASSIGN(size_t got, PreadSome(fd.get(), head, 0, path));
    if (got == 0) return std::unexpected<Error>(Error(ErrorCode::kTruncated, "empty").Within(path));
    if (firstfailure::SniffRecord(std::span(head).first(got))) {
      HMEM_ASSIGN(dump.bare_record_, firstfailure::ReadRecord(path));
      return dump;
    }
  }
  auto source = source::Open(path);
  if (!source) return std::unexpected<Error>(Naming(path, std::move(source).error()));
  dump.source_ = *std::move(source);
  return dump;
}

Result<const source::MemorySource*> OpenedDump::source() const {
  if (source_ == nullptr) {
    return std::unexpected<Error>(
        Error(ErrorCode::kUnsupported, "a first-failure record holds no memory; the dump has it")
            .Within(path_));
  }
  return source_.get();
}

Result<const walk::Kernel*> OpenedDump::kernel() {
  if (kernel_ == nullptr) {
    HMEM_ASSIGN(const source::MemorySource* source, this->source());
    auto kernel = walk::Kernel::Open(*source);
    if (!kernel) return std::unexpected<Error>(Naming(path_, std::move(kernel).error()));
    kernel_ = *std::move(kernel);
  }
  return kernel_.get();
}

Result<std::optional<v1::FirstFailure>> OpenedDump::embedded_record() const {
  if (source_ == nullptr || source_->first_failure().empty())
    return std::optional<v1::FirstFailure>();
  HMEM_ASSIGN(v1::FirstFailure record, firstfailure::ParseRecord(source_->first_failure(), path_));
  return std::optional<v1::FirstFailure>(std::move(record));
}

v1::Origin OpenedDump::origin() const {
  v1::Origin origin;
  origin.set_path(firstfailure::SafeText(path_));
  if (bare_record_) {
    origin.set_format("record");
    origin.set_complete(true);
    origin.set_crash_id(bare_record_->identity().crash_id());
    origin.set_dump_id(bare_record_->identity().dump_id());
    origin.set_tool(bare_record_->tool());
    return origin;
  }
  source::DumpIdentity identity = source_->identity();
  origin.set_format(std::string(source_->format()));
  origin.set_complete(source_->complete());
  origin.set_dump_id(firstfailure::SafeText(identity.dump_id));
  origin.set_crash_id(firstfailure::SafeText(identity.crash_id));
  origin.set_tool(firstfailure::SafeText(identity.tool));
  origin.set_source(firstfailure::SafeText(identity.source));
  return origin;
}

void OpenedDump::EncodeFindings(const Findings& more, std::string_view verb,
                                google::protobuf::RepeatedPtrField<v1::Finding>* out) const {
  if (bare_record_) {
    for (const v1::Finding& finding : bare_record_->findings()) {
      if (ConcernsVerb(finding.id(), verb)) *out->Add() = finding;
    }
  }
  Findings all;
  if (source_ != nullptr) all.Merge(source_->findings());
  if (kernel_ != nullptr) all.Merge(kernel_->findings());
  all.Merge(more);
  firstfailure::EncodeFindings(all, out);
}

std::string OpenedDump::Beside(std::string_view name) const {
  if (!IsRegularFile(path_)) return {};
  size_t slash = path_.rfind('/');
  std::string other =
      (slash == std::string::npos ? "" : path_.substr(0, slash + 1)) + std::string(name);
  return IsRegularFile(other) ? other : std::string();
}

}  // namespace hmem::hmemscope
