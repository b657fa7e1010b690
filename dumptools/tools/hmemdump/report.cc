// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/report.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <span>

#include "dumptools/tools/hmemdump/class_counts.h"
#include "dumptools/tools/hmemdump/result_json.h"
#include "dumptools/tools/hmemdump/talk.h"
#include "hmem/base/fd.h"

namespace hmem::dump {
namespace {

using v1::DumpEnd;

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

std::string Kib(uint64_t bytes) { return fmt::format("{} KiB", bytes >> 10); }

std::string MemoryText(const DumpResult& result) {
  const capture::PipelineMemory& used = result.outcome.memory;
  const std::string limit = result.memory.limit_bytes ? Kib(*result.memory.limit_bytes) : "none";
  return fmt::format("limit {}, {} reckoned with, {} of batches for {} workers, {} of it locked",
                     limit, Kib(result.memory.needed_bytes), Kib(used.batch_bytes), used.workers,
                     Kib(used.locked_bytes));
}

double Seconds(capture::StageTimes::Duration time) {
  return std::chrono::duration<double>(time).count();
}

std::string TimesText(const capture::StageTimes& times) {
  return fmt::format(
      "record {:.2f} s, walk {:.2f} s, scan {:.2f} s, read {:.2f} s, pack {:.2f} s, write {:.2f} "
      "s, sync {:.2f} s",
      Seconds(times.record), Seconds(times.walk), Seconds(times.scan), Seconds(times.read),
      Seconds(times.pack), Seconds(times.write), Seconds(times.sync));
}

// Where pages could be told apart.
void SayPace(const DumpResult& result) {
  const auto classes = CountsByClass(result.outcome.counts);
  const double seconds = Seconds(result.outcome.times.scan);
  if (seconds <= 0 || std::ranges::all_of(classes, [](const ClassCount& count) {
        return count.page_class == capture::PageClass::kUnknown;
      })) {
    return;
  }
  const double gib =
      static_cast<double>(result.outcome.ram_pages) * result.page_bytes / (uint64_t{1} << 30);
  Say("classified: {:.2f} GiB of RAM in {:.2f} s, {:.1f} GiB a second", gib, seconds,
      gib / seconds);
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
    // Whoever asked for workers and compression hears that there was no memory for them.
    if (finding.severity == Severity::kInfo && !finding.id.starts_with("memory.")) continue;
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
    if (result.dump_made) {
      Say("memory: {}", MemoryText(result));
      Say("time: {}", TimesText(result.outcome.times));
      SayPace(result);
    }
  }
  if (options.stats || (options.dry_run && !options.json)) {
    const double mib = static_cast<double>(result.page_bytes) / (1 << 20);
    for (const ClassCount& count : CountsByClass(counts)) {
      Say("class {}: {} pages read ({:.1f} MiB), {} left out ({:.1f} MiB)", count.name(),
          count.read, static_cast<double>(count.read) * mib, count.left_out,
          static_cast<double>(count.left_out) * mib);
    }
  }
  if (options.json) {
    const std::string text = ResultJson(options, result, findings);
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
