// SPDX-License-Identifier: GPL-2.0-or-later
// hmemdump's command line, checked: what is asked for and cannot be done by this build is refused
// by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dumptools/capture/filter/page_filter.h"
#include "dumptools/capture/filter/wanted.h"
#include "dumptools/capture/pipeline/dump_format.h"
#include "hmem/base/result.h"

namespace hmem::dump {

enum class Progress { kAuto, kPlain, kJson, kNone };

struct Options {
  std::string source;         // empty: the first of /dev/hmem, /proc/vmcore
  std::string destination;    // file, directory, block device, "-"; of a dry run maybe the source
  std::string codec = "lz4";  // one that `format` has
  int level = 0;
  unsigned jobs = 1;
  capture::PageFilter filter;
  std::vector<capture::Wanted> wanted;
  bool by_value = true;
  bool classify = true;
  capture::DumpFormat format = capture::DumpFormat::kHmem;
  bool first_failure_only = false;
  bool log_only = false;
  std::optional<uint64_t> explain;  // a pfn
  std::string record_path;
  bool no_record = false;
  std::string identity_path;
  uint64_t max_bytes = ~uint64_t{0};  // of the dump, or of the log
  std::optional<double> deadline_s;
  std::optional<uint64_t> memory_limit_bytes;
  bool verify = false;
  bool dry_run = false;
  std::string report_path;  // empty: none
  bool stats = false;
  bool json = false;
  bool overwrite_device = false;
  bool overwrite_dump = false;
  Progress progress = Progress::kAuto;
};

// What was asked, or the exit code when all is said (help, version, a usage error, which was
// printed).
std::variant<Options, int> ParseOptions(int argc, char** argv);

// "64M" -> 67108864: a number with an optional K, M, G or T (of 1024). kInvalidArgument.
Result<uint64_t> ParseSize(const std::string& text);
// -c, of options.format: "lz4", "zstd:3"; empty: what the format usually has. kInvalidArgument,
// kUnsupported.
Status ParseCompression(const std::string& text, Options& options);

}  // namespace hmem::dump
