// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/old_memory.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/makers/temp_file.h"

namespace hmem::init {
namespace {

using plan::SourceChoice;

Result<uint64_t> Missing(std::string_view path) { return FailErrno(path, ENOENT); }

OldMemory Choose(SourceChoice choice, Result<uint64_t> device, Result<uint64_t> vmcore) {
  auto memory = OldMemory::Choose(choice, device, vmcore);
  EXPECT_TRUE(memory);
  return *std::move(memory);
}

TEST(OldMemory, TheDeviceIsPreferredAndLeftToHmemdump) {
  for (SourceChoice choice : {SourceChoice::kAuto, SourceChoice::kHmem}) {
    OldMemory memory = Choose(choice, 100 << 20, 130 << 20);
    EXPECT_EQ(memory.source(), "");
    EXPECT_EQ(memory.name(), "/dev/hmem");
    EXPECT_EQ(memory.Text(), "100 MiB in /dev/hmem, 130 MiB in /proc/vmcore");
    EXPECT_EQ(memory.bytes(), 130u << 20);
  }
}

TEST(OldMemory, AfterEachFailureItIsTheOthersTurn) {
  OldMemory memory = Choose(SourceChoice::kAuto, 100, 130);
  EXPECT_TRUE(memory.StepOver());
  EXPECT_EQ(memory.source(), "/proc/vmcore");
  EXPECT_TRUE(memory.StepOver());
  EXPECT_EQ(memory.source(), "");
}

TEST(OldMemory, WhatIsConfiguredComesFirst) {
  OldMemory memory = Choose(SourceChoice::kVmcore, 100, 130);
  EXPECT_EQ(memory.source(), "/proc/vmcore");
  EXPECT_TRUE(memory.StepOver());
  EXPECT_EQ(memory.source(), "");
  EXPECT_EQ(memory.name(), "/dev/hmem");
}

TEST(OldMemory, WithOneWayThereIsNoOther) {
  OldMemory memory = Choose(SourceChoice::kAuto, Missing("/dev/hmem"), 130);
  EXPECT_EQ(memory.source(), "/proc/vmcore");
  EXPECT_FALSE(memory.StepOver());
  EXPECT_EQ(memory.source(), "/proc/vmcore");
  memory = Choose(SourceChoice::kVmcore, 100, Missing("/proc/vmcore"));
  EXPECT_EQ(memory.source(), "");
  EXPECT_EQ(memory.Text(), "0 MiB in /dev/hmem");
  EXPECT_EQ(memory.bytes(), 100u);
}

TEST(OldMemory, WithoutAnyTheReasonIsThatOfVmcore) {
  auto memory =
      OldMemory::Choose(SourceChoice::kHmem, Missing("/dev/hmem"), Missing("/proc/vmcore"));
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error().ToString(), "/proc/vmcore: No such file or directory");
}

TEST(OldMemory, SizesAreThoseOfTheFiles) {
  makers::TempFile file("0123456789");
  EXPECT_EQ(VmcoreBytes(file.path()).value_or(0), 10u);
  EXPECT_EQ(VmcoreBytes("/not/there").error().errno_value(), ENOENT);
  EXPECT_EQ(DeviceBytes("/not/there").error().errno_value(), ENOENT);
  EXPECT_EQ(DeviceBytes("/dev/null").error().ToString(),
            "/dev/null: HMEM_INFO: Inappropriate ioctl for device");
}

}  // namespace
}  // namespace hmem::init
