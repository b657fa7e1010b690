// SPDX-License-Identifier: GPL-2.0-or-later
// A source over a fake /dev/hmem.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "hmem/source/device_source.h"
#include "tests/fakes/fake_hmem_device.h"

namespace hmem::source {

constexpr uint64_t kMapWindowBytes = 64 * 1024;

// `device_` is set up first, then Open() makes `source_` of it.
class OpenedDevice : public testing::Test {
 protected:
  static const Finding* Find(const Findings& findings, std::string_view id) {
    auto all = findings.all();
    auto it = std::find_if(all.begin(), all.end(), [&](const Finding& f) { return f.id == id; });
    return it == all.end() ? nullptr : &*it;
  }

  OpenedDevice() : fake_(std::make_unique<fakes::FakeHmemDevice>()), device_(fake_.get()) {}

  Result<std::unique_ptr<MemorySource>> TryOpen() {
    return OpenDeviceSource(std::move(fake_),
                            {.map_window_bytes = kMapWindowBytes, .clock = device_->Clock()});
  }
  const MemorySource& Open() {
    auto source = TryOpen();
    if (!source) {
      ADD_FAILURE() << source.error().ToString();
      std::abort();
    }
    source_ = *std::move(source);
    return *source_;
  }
  void ExpectRefused(ErrorCode code, std::string_view saying) {
    auto source = TryOpen();
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code(), code) << source.error().ToString();
    EXPECT_THAT(source.error().ToString(), testing::HasSubstr(saying));
    EXPECT_THAT(source.error().ToString(), testing::StartsWith("/dev/hmem: "));
  }
  // Opens, with this one thing wrong.
  void ExpectLoss(std::string_view id) {
    const MemorySource& source = Open();
    EXPECT_NE(Find(source.findings(), id), nullptr) << id;
    EXPECT_EQ(source.findings().all().size(), 1u);
    EXPECT_FALSE(source.complete());
    EXPECT_TRUE(source.findings().HasLosses());
  }

  std::vector<std::byte> ReadAll(uint64_t start, size_t bytes) {
    std::vector<std::byte> out(bytes);
    Status status = source_->Read(PhysAddr(start), out);
    EXPECT_TRUE(status) << status.error().ToString();
    return out;
  }
  Error ReadError(uint64_t start, size_t bytes = 16) {
    std::vector<std::byte> out(bytes);
    Status status = source_->Read(PhysAddr(start), out);
    EXPECT_FALSE(status);
    return status ? Error(ErrorCode::kInvalidArgument, "was read") : status.error();
  }

  std::unique_ptr<fakes::FakeHmemDevice> fake_;
  fakes::FakeHmemDevice* device_;
  std::unique_ptr<MemorySource> source_;
};

}  // namespace hmem::source
