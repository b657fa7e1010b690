// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/footprint.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

namespace hmem::loader {
namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
// Of a kernel or an initramfs that could not be looked at.
constexpr uint64_t kTypicalInitSizeBytes = 56 * kMiB;
constexpr uint64_t kTypicalInitramfsBytes = 8 * kMiB;
// Twice: packed and unpacked side by side while the kernel reads it in; later what makes it larger,
// modules, lies there as a file and loaded.
constexpr uint64_t kInitramfsCopies = 2;
// Of each CPU but the first: four batches of pages in hmemdump (page_batch.h: up to 1 MiB of pages
// and as much packed) where one CPU has one, and the kernel's per-CPU areas.
constexpr uint64_t kBytesPerCpu = 6 * kMiB;
// What was measured drives a virtio disk; other drivers have larger buffers.
constexpr uint64_t kMarginBytes = 16 * kMiB;
constexpr uint64_t kUnmeasuredMinBytes = 128 * kMiB;
constexpr uint64_t kRoundBytes = 8 * kMiB;

std::string MiBText(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / kMiB);
}

uint64_t InitramfsBytes(const FootprintFacts& facts) {
  return facts.initramfs_bytes != 0 ? facts.initramfs_bytes : kTypicalInitramfsBytes;
}

// The rows of this kernel.
std::vector<MeasuredFootprint> RowsOf(const std::string& release,
                                      std::span<const MeasuredFootprint> measured) {
  std::vector<MeasuredFootprint> rows;
  std::ranges::copy_if(measured, std::back_inserter(rows), [&](const MeasuredFootprint& row) {
    return !release.empty() &&
           ::fnmatch(std::string(row.releases).c_str(), release.c_str(), 0) == 0;
  });
  return rows;
}

std::vector<FootprintPart> MeasuredParts(const std::vector<MeasuredFootprint>& rows,
                                         uint64_t initramfs_bytes) {
  const MeasuredFootprint& most = *std::ranges::max_element(
      rows, {}, [](const MeasuredFootprint& row) { return row.smallest_mib; });
  std::vector<uint64_t> rams;
  for (const MeasuredFootprint& row : rows) rams.push_back(row.ram_mib);
  uint64_t there = most.initramfs_kib * kKiB;
  uint64_t more = initramfs_bytes - std::min(initramfs_bytes, there);
  return {{fmt::format("measured with {} on machines of {} MiB, initramfs of {}", most.releases,
                       fmt::join(rams, " and "), MiBText(there)),
           most.smallest_mib * kMiB},
          {fmt::format("initramfs of {}: twice what is larger", MiBText(initramfs_bytes)),
           kInitramfsCopies * more}};
}

// What a capture kernel needs beside its image and its initramfs, the most of all that were
// measured.
uint64_t WorkingBytes(std::span<const MeasuredFootprint> measured) {
  uint64_t most = 0;
  for (const MeasuredFootprint& row : measured) {
    uint64_t image = (row.init_size_kib + kInitramfsCopies * row.initramfs_kib) * kKiB;
    uint64_t all = row.smallest_mib * kMiB;
    most = std::max(most, all - std::min(all, image));
  }
  return most;
}

std::vector<FootprintPart> ImageParts(uint64_t init_size_bytes, uint64_t initramfs_bytes,
                                      std::span<const MeasuredFootprint> measured) {
  uint64_t init_size = init_size_bytes != 0 ? init_size_bytes : kTypicalInitSizeBytes;
  return {
      {fmt::format("kernel while it unpacks itself{}", init_size_bytes != 0 ? "" : ", a usual one"),
       init_size},
      {"initramfs, twice", kInitramfsCopies * initramfs_bytes},
      {"work, the most that was measured with other kernels", WorkingBytes(measured)}};
}

}  // namespace

Footprint EstimateFootprint(const FootprintFacts& facts,
                            std::span<const MeasuredFootprint> measured) {
  Footprint made;
  uint64_t initramfs_bytes = InitramfsBytes(facts);
  std::vector<MeasuredFootprint> rows = RowsOf(facts.release, measured);
  made.measured = !rows.empty();
  made.parts = made.measured ? MeasuredParts(rows, initramfs_bytes)
                             : ImageParts(facts.init_size_bytes, initramfs_bytes, measured);
  if (facts.cpus > 1) {
    made.parts.push_back({fmt::format("{} CPUs", facts.cpus), (facts.cpus - 1) * kBytesPerCpu});
  }
  made.parts.push_back({"margin for other drivers than a virtio disk's", kMarginBytes});
  uint64_t sum = 0;
  for (const FootprintPart& part : made.parts) sum += part.bytes;
  made.advised_bytes = (sum + kRoundBytes - 1) / kRoundBytes * kRoundBytes;
  if (!made.measured) made.advised_bytes = std::max(made.advised_bytes, kUnmeasuredMinBytes);
  made.parts.push_back(
      {made.measured ? "rounded up" : "rounded up; 128 MiB at the least for a kernel not measured",
       made.advised_bytes - sum});
  return made;
}

}  // namespace hmem::loader
