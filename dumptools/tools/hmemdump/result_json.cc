// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/result_json.h"

#include <sys/resource.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "dumptools/tools/hmemdump/class_counts.h"

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

Json MemoryJson(const DumpResult& result) {
  const capture::PipelineMemory& used = result.outcome.memory;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  Json json;
  json["peak_resident_bytes"] = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  if (result.memory.limit_bytes) json["limit_bytes"] = *result.memory.limit_bytes;
  json["reckoned_bytes"] = result.memory.needed_bytes;
  json["workers"] = used.workers;
  json["batch_bytes"] = used.batch_bytes;
  json["locked_bytes"] = used.locked_bytes;
  return json;
}

Json TimesJson(const capture::StageTimes& times) {
  auto seconds = [](capture::StageTimes::Duration time) {
    return std::chrono::duration<double>(time).count();
  };
  Json json;
  json["record"] = seconds(times.record);
  json["walk"] = seconds(times.walk);
  json["scan"] = seconds(times.scan);
  json["read"] = seconds(times.read);
  json["pack"] = seconds(times.pack);
  json["write"] = seconds(times.write);
  json["sync"] = seconds(times.sync);
  return json;
}

}  // namespace

std::string ResultJson(const Options& options, const DumpResult& result, const Findings& findings) {
  const capture::PageCounts& counts = result.outcome.counts;
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
    json["classes"][std::string(count.name())] = {{"pages_read", count.read},
                                                  {"pages_left_out", count.left_out}};
  }
  if (result.dump_made) json["memory"] = MemoryJson(result);
  json["tiers"] = Json::array();
  for (const capture::TierCounts& tier : result.outcome.tiers) {
    json["tiers"].push_back({{"tier", tier.number},
                             {"pages_kept", tier.pages_kept},
                             {"pages_zero", tier.pages_zero},
                             {"bytes", tier.dump_bytes}});
  }
  json["bytes"] = result.outcome.stream_bytes;
  json["seconds"] = result.seconds;
  if (result.dump_made) json["seconds_by_stage"] = TimesJson(result.outcome.times);
  json["exit_code"] = result.exit_code;
  json["findings"] = Json::array();
  for (const Finding& finding : findings.all()) {
    json["findings"].push_back({{"id", finding.id},
                                {"severity", SeverityName(finding.severity)},
                                {"count", finding.count},
                                {"places", finding.places},
                                {"text", finding.text}});
  }
  // Texts may have any bytes: JSON wants UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace hmem::dump
