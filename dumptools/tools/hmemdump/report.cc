// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/report.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "dumptools/tools/hmemdump/talk.h"
#include "hmem/base/fd.h"

namespace hmem::dump {
namespace {

using Json = nlohmann::ordered_json;
using v1::DumpEnd;

std::string_view StateOf(const DumpResult& result) {
  if (!result.dump_made) return "none";
  switch (result.outcome.reason) {
    case DumpEnd::REASON_COMPLETE:
      return "complete";
    case DumpEnd::REASON_NO_SPACE:
      return "no-space";
    case DumpEnd::REASON_DEADLINE:
      return "deadline";
    case DumpEnd::REASON_MAX_BYTES:
      return "max-bytes";
    case DumpEnd::REASON_SOURCE_CUT:
      return "source-cut";
    default:
      return "write-error";
  }
}

std::string ReasonText(const DumpResult& result) {
  switch (result.outcome.reason) {
    case DumpEnd::REASON_NO_SPACE:
      return "target full";
    case DumpEnd::REASON_DEADLINE:
      return "time limit reached";
    case DumpEnd::REASON_MAX_BYTES:
      return "size limit reached";
    case DumpEnd::REASON_WRITE_ERROR:
      return result.outcome.write_error ? result.outcome.write_error->ToString() : "write error";
    case DumpEnd::REASON_SOURCE_CUT:
      return "the source is cut";
    default:
      return "complete";
  }
}

struct ClassCount {
  std::string name;
  uint64_t read = 0, left_out = 0;  // pages
};

// Of the classes that there were pages of.
std::vector<ClassCount> CountsByClass(const capture::PageCounts& counts) {
  std::vector<ClassCount> found;
  for (size_t i = 0; i < capture::kPageClasses; ++i) {
    if (counts.read_by_class[i] + counts.excluded_by_class[i] == 0) continue;
    found.push_back({std::string(capture::PageClassName(static_cast<capture::PageClass>(i))),
                     counts.read_by_class[i], counts.excluded_by_class[i]});
  }
  return found;
}

// Text of any bytes: JSON wants UTF-8.
std::string Dumped(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ProgressPrinter::ProgressPrinter(Progress kind)
    : kind_(kind), terminal_(::isatty(STDERR_FILENO) == 1) {
  if (kind_ == Progress::kAuto) kind_ = terminal_ ? Progress::kPlain : Progress::kNone;
}

void ProgressPrinter::Show(const capture::PageCounts& counts, uint64_t ram_pages,
                           uint64_t stream_bytes) {
  if (kind_ == Progress::kNone) return;
  auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + (terminal_ && kind_ == Progress::kPlain ? std::chrono::milliseconds(500)
                                                        : std::chrono::milliseconds(1000));
  // Tiers differ in how fast they go; it is the best guess there is.
  const double seconds = std::chrono::duration<double>(now - start_).count();
  uint64_t done = counts.all();
  const double left =
      done == 0 ? 0 : seconds * static_cast<double>(ram_pages - done) / static_cast<double>(done);
  if (kind_ == Progress::kJson) {
    SayText(
        fmt::format("{{\"pages_done\": {}, \"pages\": {}, \"bytes\": {}, \"seconds\": {:.1f}, "
                    "\"seconds_left\": {:.1f}}}\n",
                    done, ram_pages, stream_bytes, seconds, left));
    return;
  }
  uint64_t percent = ram_pages == 0 ? 100 : done * 100 / ram_pages;
  SayText(fmt::format("{}hmemdump: {}%, {} MiB written, {:.0f} s left{}", terminal_ ? "\r" : "",
                      percent, stream_bytes >> 20, left, terminal_ ? "   " : "\n"));
  drawn_ = terminal_;
}

void ProgressPrinter::Finish() {
  if (drawn_) SayText("\n");
  drawn_ = false;
}

void PrintFindings(const Findings& findings) {
  for (const Finding& finding : findings.all()) {
    if (finding.severity == Severity::kInfo) continue;
    std::string places;
    for (const std::string& place : finding.places) {
      if (finding.text.find(place) == std::string::npos)
        places += (places.empty() ? " (" : "; ") + place;
    }
    if (!places.empty())
      places +=
          finding.count > finding.places.size() ? fmt::format("; {} in all)", finding.count) : ")";
    Say("{}: {}{}", finding.id, finding.text, places);
  }
}

Status PrintResult(const Options& options, const DumpResult& result, const Findings& findings) {
  const capture::PageCounts& counts = result.outcome.counts;
  if (options.stats) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    Say("source: {} ({}){}{}", result.source_path, result.source_format,
        result.source_access.empty() ? "" : ", large reads by ", result.source_access);
    Say("pages: {} in RAM, {} kept, {} zero, {} left out, {} unreadable, "
        "{} not reached\n"
        "hmemdump: {} bytes raw, {} bytes written, {:.2f} s, {} KiB of memory at most",
        result.outcome.ram_pages, counts.kept, counts.zero, counts.excluded, counts.unreadable,
        counts.missing, counts.kept * result.page_bytes, result.outcome.stream_bytes,
        result.seconds, usage.ru_maxrss);
    for (const ClassCount& count : CountsByClass(counts))
      Say("class {}: {} pages read, {} left out", count.name, count.read, count.left_out);
  }
  if (options.json) {
    Json json;
    json["path"] = result.path;
    json["record_path"] = result.record_path;
    json["source"] = {{"path", result.source_path},
                      {"format", result.source_format},
                      {"access", result.source_access}};
    json["dry_run"] = options.dry_run;
    json["state"] = StateOf(result);
    json["dump_id"] = result.dump_id;
    json["crash_id"] = result.crash_id;
    json["pages"] = result.outcome.ram_pages;
    json["pages_kept"] = counts.kept;
    json["pages_zero"] = counts.zero;
    json["pages_excluded"] = counts.excluded;
    json["pages_unreadable"] = counts.unreadable;
    json["pages_not_reached"] = counts.missing;
    json["classes"] = Json::object();
    for (const ClassCount& count : CountsByClass(counts)) {
      json["classes"][count.name] = {{"pages_read", count.read},
                                     {"pages_left_out", count.left_out}};
    }
    json["bytes"] = result.outcome.stream_bytes;
    json["seconds"] = result.seconds;
    json["exit_code"] = result.exit_code;
    json["findings"] = Json::array();
    for (const Finding& finding : findings.all()) {
      json["findings"].push_back({{"id", finding.id},
                                  {"severity", SeverityName(finding.severity)},
                                  {"count", finding.count},
                                  {"places", finding.places},
                                  {"text", finding.text}});
    }
    std::string text = Dumped(json) + '\n';
    return WriteAll(STDOUT_FILENO, std::as_bytes(std::span(text)), "standard output");
  }
  if (!result.record_path.empty()) Say("record: {}", result.record_path);
  if (!result.dump_made) return {};
  uint64_t there = counts.all() - counts.missing;
  if (result.outcome.reason == DumpEnd::REASON_WRITE_ERROR) {
    // The first chunk was durable, or there would be no result.
    Say("{}; what is in {} opens: {} of {} pages at most", ReasonText(result), result.path, there,
        result.outcome.ram_pages);
    return {};
  }
  Say("{}: {}: {} of {} pages in {} bytes, {:.2f} s", options.dry_run ? "dry run" : result.path,
      ReasonText(result), there, result.outcome.ram_pages, result.outcome.stream_bytes,
      result.seconds);
  return {};
}

}  // namespace hmem::dump
