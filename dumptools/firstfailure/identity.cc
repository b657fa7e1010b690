// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/identity.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <charconv>

#include "dumptools/firstfailure/encode.h"
#include "hmem/base/fd.h"

namespace hmem::firstfailure {
namespace {

constexpr size_t kMaxFileBytes = 64 << 10;
constexpr size_t kMaxValueBytes = 1024;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxEvents = 64;
constexpr size_t kMaxNameBytes = 64;
constexpr std::string_view kLabelPrefix = "label.";
constexpr std::string_view kTimelinePrefix = "timeline.";

// False when `value` is no number, or there are too many events.
bool AddEvent(std::string_view name, std::string_view value, ArmIdentity& identity) {
  uint64_t uptime_ns = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), uptime_ns);
  if (error != std::errc() || end != value.data() + value.size() ||
      identity.timeline.size() == kMaxEvents) {
    return false;
  }
  identity.timeline.emplace_back(SafeText(name, kMaxNameBytes), uptime_ns);
  return true;
}

}  // namespace

ArmIdentity ParseIdentity(std::string_view text, Findings& findings) {
  ArmIdentity identity;
  size_t number = 0;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    size_t equals = line.find('=');
    std::string_view key = line.substr(0, equals);
    std::string value =
        equals == std::string_view::npos ? "" : SafeText(line.substr(equals + 1), kMaxValueBytes);
    if (equals == std::string_view::npos || key.empty()) {
      findings.Add(Severity::kInfo, "record.identity.bad-line", fmt::format("line {}", number),
                   "the identity file has a line that is not key=value; skipped");
    } else if (key == "host_id") {
      identity.host_id = value;
    } else if (key == "arm_id") {
      identity.arm_id = value;
    } else if (key.starts_with(kLabelPrefix) && key.size() > kLabelPrefix.size()) {
      if (identity.labels.size() < kMaxLabels) {
        identity.labels.emplace_back(SafeText(key.substr(kLabelPrefix.size()), kMaxNameBytes),
                                     value);
      } else {
        findings.Add(Severity::kInfo, "record.identity.too-many-labels",
                     fmt::format("line {}", number),
                     "the identity file has more than 64 labels; the rest is skipped");
      }
    } else if (key.starts_with(kTimelinePrefix) && key.size() > kTimelinePrefix.size()) {
      if (!AddEvent(key.substr(kTimelinePrefix.size()), value, identity)) {
        findings.Add(Severity::kInfo, "record.identity.bad-event", fmt::format("line {}", number),
                     "the identity file has an event without a time in nanoseconds, or more than "
                     "64 events; skipped");
      }
    } else {
      findings.Add(Severity::kInfo, "record.identity.unknown-key", fmt::format("line {}", number),
                   "the identity file has a key this build does not know; skipped");
    }
  }
  return identity;
}

Result<ArmIdentity> ReadIdentityFile(const std::string& path, Findings& findings) {
  HMEM_ASSIGN(std::string text, ReadTextFile(path, kMaxFileBytes));
  return ParseIdentity(text, findings);
}

std::string ShortHash(std::string_view input) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(input.data()),
                     input.size());
  std::string hex;
  for (size_t i = 0; i < 16; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string CrashId(std::string_view host_id, std::string_view boot_id, int64_t crash_time_s,
                    std::string_view arm_id) {
  if (host_id.empty() && boot_id.empty() && crash_time_s == 0 && arm_id.empty()) return {};
  std::string input;
  const std::string time = std::to_string(crash_time_s);
  for (std::string_view part : {host_id, boot_id, std::string_view(time), arm_id}) {
    input += part;
    input += '\0';
  }
  return ShortHash(input);
}

bool SameCrash(const v1::FirstFailure& a, const v1::FirstFailure& b) {
  return a.clock().crash_time_s() != 0 && a.clock().crash_time_s() == b.clock().crash_time_s() &&
         a.kernel().release() == b.kernel().release() &&
         a.kernel().kaslr_offset() == b.kernel().kaslr_offset();
}

}  // namespace hmem::firstfailure
