// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "capture-kernel/plan/key_value_text.h"
#include "dumptools/loader/command_line.h"

namespace hmem::loader {
namespace {

constexpr std::string_view kLabelPrefix = "label.";
constexpr size_t kMaxLabels = 32;
constexpr size_t kMaxLabelBytes = 64;
constexpr size_t kMaxLabelValueBytes = 256;
// The kernel takes 2047 bytes (COMMAND_LINE_SIZE on x86) and adds elfcorehdr= itself.
constexpr size_t kMaxAppendBytes = 1024;
constexpr uint64_t kMaxCpus = 64;
constexpr uint64_t kMaxPanicTimeout = 600;

auto Refuse(std::string text) { return Fail(ErrorCode::kInvalidArgument, std::move(text)); }

// "path /var/crash", "device /dev/vdb"
Status SetTarget(std::string_view value, Config* config) {
  size_t blank = value.find_first_of(" \t");
  std::string_view kind = value.substr(0, blank);
  if (kind != "path" && kind != "device")
    return Refuse(fmt::format("target \"{}\" is neither path nor device", kind));
  size_t start = blank == std::string_view::npos ? blank : value.find_first_not_of(" \t", blank);
  std::string_view where =
      start == std::string_view::npos ? std::string_view() : value.substr(start);
  if (!where.starts_with('/')) return Refuse(fmt::format("target {} needs an absolute path", kind));
  config->target_kind = kind == "path" ? plan::Target::Kind::kPath : plan::Target::Kind::kDevice;
  config->target = where;
  return {};
}

Status SetLabel(std::string_view key, const std::string& value, Config* config) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  if (key.empty() || key.size() > kMaxLabelBytes || !std::all_of(key.begin(), key.end(), allowed)) {
    return Refuse(
        fmt::format("label \"{}\" is not 1 to {} of a-z, 0-9, '_', '-', '.'", key, kMaxLabelBytes));
  }
  if (value.size() > kMaxLabelValueBytes)
    return Refuse(fmt::format("longer than {} bytes", kMaxLabelValueBytes));
  if (config->labels.size() == kMaxLabels)
    return Refuse(fmt::format("more than {} labels", kMaxLabels));
  config->labels.emplace(key, value);
  return {};
}

Status SetAppend(const std::string& value, Config* config) {
  if (value.size() > kMaxAppendBytes)
    return Refuse(fmt::format("append longer than {} bytes", kMaxAppendBytes));
  // The kernel parts words at any blank, takes '-' for '_', and drops quotes.
  for (const std::string& word : CommandLineWords(value)) {
    std::string key = word.substr(0, word.find('='));
    std::erase(key, '"');
    std::replace(key.begin(), key.end(), '-', '_');
    if (key == "crashkernel") {
      return Refuse("crashkernel= is for the first kernel, not for the capture kernel");
    }
    if (key == "nr_cpus" || key == "maxcpus" || key == "disable_cpu_apicid") {
      return Refuse(fmt::format("{}= is set with cpus =", key));
    }
    if (key == "panic") return Refuse("panic= is set with panic_timeout =");
    if (word == "--") return Refuse("what follows -- would not reach the kernel");
  }
  config->append = value;
  return {};
}

Status SetKernel(const std::string& value, Config* config) {
  if (!value.starts_with('/')) return Refuse("kernel needs an absolute path");
  config->kernel = value;
  return {};
}

constexpr size_t kMaxWordsBytes = 1024;

// For hmemdump; what they mean is the tool's affair.
Status SetWords(const std::string& value, std::string* words) {
  if (value.empty()) return Refuse("nothing behind the =");
  if (value.size() > kMaxWordsBytes)
    return Refuse(fmt::format("longer than {} bytes", kMaxWordsBytes));
  *words = value;
  return {};
}

// "auto" or a number.
Status SetCpus(std::string_view value, Config* config) {
  if (value == "auto") {
    config->cpus.reset();
    return {};
  }
  auto number = plan::ParseNumber(value, 1, kMaxCpus);
  if (!number) return Refuse(fmt::format("{} and is not \"auto\"", number.error().text()));
  config->cpus = *number;
  return {};
}

Status Apply(const plan::KeyValue& entry, Config* config) {
  struct Number {
    std::string_view key;
    uint64_t min;
    uint64_t max;
    uint64_t* out;
  };
  plan::Deadlines& deadlines = config->deadlines;
  const Number numbers[] = {
      {"panic_timeout", 1, kMaxPanicTimeout, &config->panic_timeout_s},
      {"deadline.record", 1, plan::kMaxDeadlineSeconds, &deadlines.record_s},
      {"deadline.dump", 1, plan::kMaxDeadlineSeconds, &deadlines.dump_s},
      {"deadline.target", 1, plan::kMaxDeadlineSeconds, &deadlines.target_s},
      {"deadline.log", 1, plan::kMaxDeadlineSeconds, &deadlines.log_s},
      {"deadline.total", 1, plan::kMaxDeadlineSeconds, &deadlines.total_s},
  };
  for (const Number& number : numbers) {
    if (entry.key != number.key) continue;
    HMEM_ASSIGN(*number.out, plan::ParseNumber(entry.value, number.min, number.max));
    return {};
  }
  if (entry.key == "target") return SetTarget(entry.value, config);
  if (entry.key == "kernel") return SetKernel(entry.value, config);
  if (entry.key == "append") return SetAppend(entry.value, config);
  if (entry.key == "source") {
    HMEM_ASSIGN(config->source, plan::ParseSourceChoice(entry.value));
    return {};
  }
  if (entry.key == "exclude") return SetWords(entry.value, &config->exclude);
  if (entry.key == "keep") {
    if (entry.value == "nothing") {
      config->keep.clear();
      return {};
    }
    return SetWords(entry.value, &config->keep);
  }
  if (entry.key == "cpus") return SetCpus(entry.value, config);
  if (entry.key == "final_action") {
    HMEM_ASSIGN(config->final_action, plan::ParseFinalAction(entry.value));
    return {};
  }
  if (entry.key.starts_with(kLabelPrefix)) {
    return SetLabel(std::string_view(entry.key).substr(kLabelPrefix.size()), entry.value, config);
  }
  return Refuse(fmt::format("unknown key \"{}\"", entry.key));
}

}  // namespace

Result<Config> ParseConfig(std::string_view text, std::string_view name) {
  HMEM_ASSIGN(auto entries, plan::ParseKeyValueText(text, name));
  Config config;
  std::set<std::string> seen;
  for (const plan::KeyValue& entry : entries) {
    if (!seen.insert(entry.key).second) {
      return std::unexpected(
          plan::EntryError(name, entry, fmt::format("\"{}\" a second time", entry.key)));
    }
    if (auto applied = Apply(entry, &config); !applied) {
      return std::unexpected(plan::EntryError(name, entry, applied.error().text()));
    }
  }
  return config;
}

}  // namespace hmem::loader
