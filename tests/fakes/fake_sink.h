// SPDX-License-Identifier: GPL-2.0-or-later
// A sink in memory that can be full or broken at a byte of choice.
#pragma once

#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "dumptools/capture/writer/dump_sink.h"

namespace hmem::fakes {

class FakeSink final : public capture::DumpSink {
 public:
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  std::vector<std::byte> bytes;
  uint64_t capacity = kNever;   // full behind this byte: ENOSPC
  bool promises = true;         // Reserve() tells the truth; false: always yes, as a pipe does
  uint64_t breaks_at = kNever;  // the device fails behind this byte: EIO
  bool sync_fails = false;
  std::vector<uint64_t> appended;  // where each Append() began
  std::vector<uint64_t> synced;    // how long the stream was at each Sync()

  const std::string& name() const override { return name_; }

  Status Append(std::span<const std::byte> data) override {
    appended.push_back(bytes.size());
    uint64_t limit = std::min(capacity, breaks_at);
    size_t n = std::min<uint64_t>(data.size(), limit - bytes.size());
    bytes.insert(bytes.end(), data.begin(), data.begin() + static_cast<ptrdiff_t>(n));
    if (n == data.size()) return {};
    return FailErrno(name_, breaks_at <= capacity ? EIO : ENOSPC);
  }
  Status Reserve(uint64_t wanted) override {
    if (!promises || (capacity >= wanted && bytes.size() <= capacity - wanted)) return {};
    return FailErrno(name_, ENOSPC);
  }
  Status Sync() override {
    synced.push_back(bytes.size());
    if (sync_fails) return FailErrno(name_, EIO);
    return {};
  }

 private:
  std::string name_ = "fake sink";
};

}  // namespace hmem::fakes
