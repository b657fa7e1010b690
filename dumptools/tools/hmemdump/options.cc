// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <iostream>
#include <map>
#include <string_view>
#include <vector>

#include "dumptools/tools/hmemdump/exit_code.h"
#include "dumptools/tools/hmemdump/talk.h"
#include "hmem/base/address.h"

namespace hmem::dump {
namespace {

constexpr unsigned kMaxJobs = 64;

Error Bad(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

int Usage(const std::string& text) {
  Say("{}; see hmemdump --help", text);
  return kExitUsage;
}

}  // namespace

Result<uint64_t> ParseSize(const std::string& text) {
  uint64_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  static constexpr std::array<std::string_view, 4> kSuffixes = {"K", "M", "G", "T"};
  uint64_t unit = 1;
  bool known = suffix.empty();
  for (size_t i = 0; i < kSuffixes.size(); ++i) {
    if (suffix == kSuffixes[i]) {
      unit = uint64_t{1} << (10 * (i + 1));
      known = true;
    }
  }
  uint64_t bytes;
  if (ec != std::errc() || !known || !CheckedMul(value, unit, &bytes)) {
    return std::unexpected(
        Bad(fmt::format("\"{}\" is not a size (a number, K, M, G or T behind it)", text)));
  }
  return bytes;
}

Status ParseCompression(const std::string& text, Options& options) {
  HMEM_ASSIGN(auto compression, capture::ParseCompression(text, options.format));
  options.codec = compression.codec->name;
  options.level = compression.level;
  return {};
}

std::variant<Options, int> ParseOptions(int argc, char** argv) {
  Options options;
  CLI::App app{"Saves the first-failure record and the memory of a crashed kernel.", "hmemdump"};
  app.set_version_flag("--version", "hmemdump " HMEM_VERSION, "Print the version and exit.");
  app.get_formatter()->column_width(36);
  std::vector<std::string> places(2);
  std::string compress, exclude = "zero", format = "hmem", max_bytes, order = "value";
  std::string explain, memory_limit;
  std::vector<std::string> keep;
  app.add_option(
         "SOURCE", places[0],
         "A dump file, /dev/hmem, /proc/vmcore (default: the first of these two that can be "
         "read), or /proc/kcore for a dry run.")
      ->type_name("");
  app.add_option("DEST", places[1], "A file, directory, block device or -.")->type_name("");
  app.add_option(
         "-c,--compress", compress,
         "hmem: lz4 (default), zstd; kdump, flat: lzo (default), zlib, snappy, zstd; or none. "
         ":LEVEL may stand behind lz4, zstd, zlib.")
      ->type_name("CODEC");
  app.add_option("-j,--jobs", options.jobs,
                 "Threads that compress (default 1); 0: the one that writes does it.")
      ->type_name("N");
  app.add_option("-x,--exclude", exclude,
                 "What to leave out: zero (default), none, names with commas between (zero, cache, "
                 "private, user, free, anonymous, hugetlb, private-cache, slab), or a level from 0 "
                 "to 31 as makedumpfile's.")
      ->type_name("CLASSES");
  app.add_option("--keep", keep,
                 "Keep whatever its class: task:PID, task:COMM or task:crashing (user memory of a "
                 "process), range:START-END (physical). May be repeated.")
      ->allow_extra_args(false)  // what follows is SOURCE or DEST
      ->type_name("WHAT");
  app.add_option("-F,--format", format,
                 "hmem (default), kdump, elf; flattened: flat (kdump), flat-elf.")
      ->type_name("FORMAT");
  app.add_option("--order", order,
                 "Order of the pages: value (default; the most telling first) or address.")
      ->type_name("ORDER");
  bool no_classify = false;
  app.add_flag("--no-classify", no_classify,
               "Look at no struct page: nothing but pages of zeros is left out.");
  app.add_flag("--first-failure-only", options.first_failure_only, "Make the record and no dump.");
  app.add_flag("--log-only", options.log_only,
               "Print the kernel log of SOURCE on stdout and nothing else; takes no DEST.");
  app.add_option("--explain", explain,
                 "Print what the page with this number is, by which rule, and whether it would be "
                 "kept; takes no DEST.")
      ->type_name("PFN");
  app.add_option("--record", options.record_path, "Embed this record instead of building one.")
      ->type_name("FILE");
  app.add_flag("--no-record", options.no_record,
               "Build no record; one that is there already is taken along.");
  app.add_option("--identity", options.identity_path, "Identity written by kdump-arm.")
      ->type_name("FILE");
  app.add_option("--max-bytes", max_bytes,
                 "End the dump before it grows past this (K, M, G, T); of a log, the newest "
                 "lines that fit.")
      ->type_name("N");
  app.add_option("--deadline", options.deadline_s, "End the dump after so many seconds.")
      ->type_name("S");
  app.add_option("--memory-limit", memory_limit,
                 "Private memory to stay below (K, M, G, T), with fewer threads, then without "
                 "compression; default: half of what is available.")
      ->type_name("N");
  app.add_flag("--overwrite-device", options.overwrite_device,
               "Write over whatever a block device holds.");
  app.add_flag("--overwrite-dump", options.overwrite_dump,
               "Write over an .hmem dump on a block device, and over nothing else.");
  app.add_flag("--verify", options.verify,
               "Read the finished dump back from the disk and check it.");
  app.add_flag("--dry-run", options.dry_run,
               "Do everything but write, and say what a dump would hold; needs no DEST.");
  app.add_option("--report", options.report_path,
                 "When all is done, write the result as JSON into this new file.")
      ->type_name("FILE");
  app.add_flag("--stats", options.stats,
               "Print what became of the pages, and where time and memory went.");
  app.add_flag("--json", options.json, "Print the result as JSON on stdout.");
  std::map<std::string, Progress> kinds{{"auto", Progress::kAuto},
                                        {"plain", Progress::kPlain},
                                        {"json", Progress::kJson},
                                        {"none", Progress::kNone}};
  CLI::Transformer kind(kinds);
  kind.description("");  // the values are in the option's own
  app.add_option("--progress", options.progress, "auto (default), plain, json or none; on stderr.")
      ->transform(kind)
      ->type_name("KIND");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    int code = app.exit(success);
    if (std::cout.flush()) return code;
    Say("standard output: cannot be written");
    return kExitFailed;
  } catch (const CLI::ParseError& error) {
    return Usage(error.what());
  }

  std::erase(places, "");
  if (auto found = capture::FindDumpFormat(format); found) {
    options.format = *found;
  } else {
    return Usage("--format: " + found.error().ToString());
  }
  if (auto status = ParseCompression(compress, options); !status)
    return Usage("--compress: " + status.error().ToString());
  auto filter = capture::PageFilter::Parse(exclude);
  if (!filter) return Usage("--exclude: " + filter.error().ToString());
  options.filter = *filter;
  for (const std::string& text : keep) {
    auto wanted = capture::Wanted::Parse(text);
    if (!wanted) return Usage("--keep: " + wanted.error().ToString());
    options.wanted.push_back(*std::move(wanted));
  }
  if (order != "address" && order != "value")
    return Usage(fmt::format("--order: \"{}\": neither value nor address", order));
  options.by_value = order == "value";
  options.classify = !no_classify;
  if (no_classify && (options.by_value || filter->needs_classes() || !options.wanted.empty()))
    return Usage("--no-classify: needs --order address, and no --keep or classes to leave out");
  if (options.jobs > kMaxJobs)
    return Usage(fmt::format("--jobs: {}: not from 0 to {}", options.jobs, kMaxJobs));
  if (options.deadline_s && !(*options.deadline_s > 0 && *options.deadline_s < 1e9))
    return Usage("--deadline: not a number of seconds above 0");
  if (!max_bytes.empty()) {
    auto size = ParseSize(max_bytes);
    if (!size) return Usage("--max-bytes: " + size.error().ToString());
    options.max_bytes = *size;
  }
  if (!memory_limit.empty()) {
    auto size = ParseSize(memory_limit);
    if (!size) return Usage("--memory-limit: " + size.error().ToString());
    options.memory_limit_bytes = *size;
  }
  if (!explain.empty()) {
    auto pfn = capture::ParseAddress(explain);
    if (!pfn) return Usage("--explain: " + pfn.error().ToString());
    options.explain = *pfn;
  }
  if (options.log_only || options.explain) {
    if (!options.report_path.empty()) return Usage("--report: only of a record or a dump");
    if (options.log_only && options.explain) return Usage("--log-only and --explain: one of them");
    if (places.size() > 1)
      return Usage(fmt::format("{} takes SOURCE and no DEST",
                               options.log_only ? "--log-only" : "--explain"));
    if (!places.empty()) options.source = places[0];
    return options;
  }
  if (places.empty()) return Usage("DEST is missing: the file, directory or device to write to");
  if (options.no_record && options.first_failure_only)
    return Usage("--no-record: with --first-failure-only nothing is left to make");
  options.destination = places.back();
  if (places.size() == 2) options.source = places.front();
  if (options.format != capture::DumpFormat::kHmem && options.first_failure_only)
    return Usage("--first-failure-only makes no dump, so it has no --format");
  if (options.verify &&
      (options.destination == "-" || options.dry_run || options.first_failure_only)) {
    return Usage("--verify: only for a dump in a file or on a block device");
  }
  if (options.json && options.destination == "-")
    return Usage("--json: stdout is taken by the dump");
  return options;
}

}  // namespace hmem::dump
