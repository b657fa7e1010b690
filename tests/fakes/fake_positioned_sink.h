// SPDX-License-Identifier: GPL-2.0-or-later
// A positioned sink in memory that can be full or broken from a byte of choice on, and remembers
// what it held at each Sync().
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "dumptools/capture/writer/positioned_sink.h"

namespace hmem::fakes {

class FakePositionedSink final : public capture::PositionedSink {
 public:
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  std::vector<std::byte> bytes;
  uint64_t capacity = kNever;   // ENOSPC for what would lie behind it
  bool promises = true;         // Reserve() tells the truth; false: always yes
  uint64_t breaks_at = kNever;  // EIO for what would lie behind it
  bool goes_back = true;
  bool keeps_syncs = false;
  std::vector<std::vector<std::byte>> synced;

  const std::string& name() const override { return name_; }
  bool can_go_back() const override { return goes_back; }
  Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
    const uint64_t end = offset + data.size();
    if (end > breaks_at) return FailErrno(name_, EIO);
    if (end > capacity) return FailErrno(name_, ENOSPC);
    if (!goes_back && offset < bytes.size()) return FailErrno(name_, ESPIPE);
    if (end > bytes.size()) bytes.resize(end);
    std::ranges::copy(data, bytes.begin() + static_cast<ptrdiff_t>(offset));
    return {};
  }
  Status Reserve(uint64_t offset, uint64_t wanted) override {
    if (!promises || (wanted <= capacity && offset <= capacity - wanted)) return {};
    return FailErrno(name_, ENOSPC);
  }
  Status Sync() override {
    if (keeps_syncs) synced.push_back(bytes);
    return {};
  }

 private:
  std::string name_ = "fake sink";
};

}  // namespace hmem::fakes
