// SPDX-License-Identifier: GPL-2.0-or-later
// Takes a dump and keeps nothing of it: for telling what would be written.
#pragma once

#include <string>

#include "dumptools/capture/writer/dump_sink.h"
#include "dumptools/capture/writer/positioned_sink.h"

namespace hmem::capture {

class NullSink final : public DumpSink, public PositionedSink {
 public:
  const std::string& name() const override { return name_; }
  Status Append(std::span<const std::byte>) override { return {}; }
  Status Reserve(uint64_t) override { return {}; }
  Status WriteAt(uint64_t, std::span<const std::byte>) override { return {}; }
  Status Reserve(uint64_t, uint64_t) override { return {}; }
  Status Sync() override { return {}; }

 private:
  std::string name_ = "dry run";
};

}  // namespace hmem::capture
