// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/estimate_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "dumptools/loader/reservation.h"

namespace hmem::arm {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kIndent = 2;
constexpr double kMiB = 1 << 20;
// The checks without which the size of the image is not known.
constexpr std::array<std::string_view, 4> kNeeded = {"kernel-image", "target", "modules",
                                                     "initramfs"};

std::string ReservedText(const MemoryEstimate& estimate) {
  if (!estimate.reserved_bytes) return "reserved now: not known\n";
  uint64_t reserved = *estimate.reserved_bytes;
  std::string now =
      reserved == 0 ? "nothing" : fmt::format("{:.0f} MiB", static_cast<double>(reserved) / kMiB);
  if (reserved >= estimate.footprint.advised_bytes)
    return fmt::format("reserved now: {}, enough\n", now);
  return fmt::format("reserved now: {}; {}\n", now, estimate.advice);
}

}  // namespace

MemoryEstimate EstimateOf(const loader::Host& host, const loader::Preparation& preparation) {
  MemoryEstimate made{.kernel_release = preparation.kernel ? preparation.kernel->release : "",
                      .footprint = preparation.footprint,
                      .initramfs_bytes = preparation.initramfs.size(),
                      .reserved_bytes = {},
                      .advice = {},
                      .unknown = {}};
  for (const loader::CheckItem& item : preparation.checks) {
    bool needed = std::ranges::find(kNeeded, item.id) != kNeeded.end();
    if (needed && item.state == loader::CheckItem::State::kFailed)
      made.unknown.push_back(fmt::format("{}: {}: {}", item.id, item.text, item.advice));
  }
  auto reserved = loader::ReservedBytes(host);
  if (!reserved) {
    made.unknown.push_back(reserved.error().ToString());
    return made;
  }
  made.reserved_bytes = *reserved;
  if (*reserved < made.footprint.advised_bytes)
    made.advice = loader::ReservationAdvice(host, made.footprint.advised_bytes);
  return made;
}

std::string EstimateText(const MemoryEstimate& estimate) {
  std::string text =
      fmt::format("crashkernel={:.0f}M for the capture kernel {}\n",
                  static_cast<double>(estimate.footprint.advised_bytes) / kMiB,
                  estimate.kernel_release.empty() ? "(not known)" : estimate.kernel_release);
  for (const loader::FootprintPart& part : estimate.footprint.parts)
    text += fmt::format("{:8.1f} MiB  {}\n", static_cast<double>(part.bytes) / kMiB, part.what);
  text += ReservedText(estimate);
  for (const std::string& unknown : estimate.unknown)
    text += fmt::format("not known: {}\n", unknown);
  return text;
}

std::string EstimateJson(const MemoryEstimate& estimate) {
  Json parts = Json::array();
  for (const loader::FootprintPart& part : estimate.footprint.parts)
    parts.push_back({{"what", part.what}, {"bytes", part.bytes}});
  Json json = {{"advised_bytes", estimate.footprint.advised_bytes},
               {"measured", estimate.footprint.measured},
               {"parts", std::move(parts)},
               {"kernel_release", estimate.kernel_release},
               {"initramfs_bytes", estimate.initramfs_bytes},
               {"reserved_bytes", nullptr},
               {"advice", estimate.advice},
               {"unknown", estimate.unknown}};
  if (estimate.reserved_bytes) json["reserved_bytes"] = *estimate.reserved_bytes;
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace hmem::arm
