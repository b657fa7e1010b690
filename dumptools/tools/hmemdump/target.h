// SPDX-License-Identifier: GPL-2.0-or-later
// DEST as it was given: what it is, and the names of record and dump in it.
#pragma once

#include <string>

#include "hmem/base/result.h"

namespace hmem::dump {

enum class TargetKind {
  kDirectory,
  kFile,
  kDevice,
  kStream,
  kNowhere,  // a dry run that has a SOURCE and no DEST
};

struct Target {
  TargetKind kind = TargetKind::kFile;
  std::string path;         // as given
  std::string dump_path;    // of the dump; the device; "standard output"; empty: not known
  std::string record_path;  // of a record file beside it; empty for a device or stream
};

// A directory holds first-failure.pb and the dump, `dump_name`. The dump of a record alone is
// dump.hmem beside it when the record has its usual name. A file that is there is refused:
// kIo with EEXIST, unless only the record is wanted and the file is a directory or device. kIo: the
// directory of a file is missing.
Result<Target> ResolveTarget(const std::string& destination, const std::string& dump_name,
                             bool record_only);

// True for what is read and never written to: a file that is there, which would not be overwritten,
// or a character device.
bool IsSource(const std::string& path);

// Where a record that stands at the target says its dump is: the name beside it, since directories
// have other names where record and dump are read; the device; empty where it cannot be told.
std::string DumpPathInRecord(const Target& target);

}  // namespace hmem::dump
