// SPDX-License-Identifier: GPL-2.0-or-later
// The file a verb works on: a dump of any format, or a bare first-failure record.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dumptools/walk/kernel.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"
#include "hmem/v1/report.pb.h"

namespace hmem::hmemscope {

class OpenedDump {
 public:
  // By content. The error names the path.
  static Result<OpenedDump> Open(const std::string& path);

  const std::string& path() const { return path_; }
  // The bare record; nullptr: it is a dump.
  const v1::FirstFailure* bare_record() const { return bare_record_ ? &*bare_record_ : nullptr; }
  // kUnsupported for a bare record, which has no memory.
  Result<const source::MemorySource*> source() const;
  // The kernel in the dump, opened at first use.
  Result<const walk::Kernel*> kernel();
  // The record that travels in the dump. nullopt: none. kCorrupt, kUnsupported: there is one, and
  // it is no good.
  Result<std::optional<v1::FirstFailure>> embedded_record() const;

  v1::Origin origin() const;
  // What opening met, source and kernel, into a report's list, with `more` from the walkers. Of a
  // bare record its own findings, as far as they concern `verb`.
  void EncodeFindings(const Findings& more, std::string_view verb,
                      google::protobuf::RepeatedPtrField<v1::Finding>* out) const;

  // A file of this name beside the dump; empty when there is none.
  std::string Beside(std::string_view name) const;

 private:
  OpenedDump() = default;

  std::string path_;
  std::optional<v1::FirstFailure> bare_record_;
  std::unique_ptr<source::MemorySource> source_;
  std::unique_ptr<walk::Kernel> kernel_;
};

}  // namespace hmem::hmemscope
