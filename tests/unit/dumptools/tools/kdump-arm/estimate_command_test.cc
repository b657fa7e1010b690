// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/estimate_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::arm {
namespace {

using loader::MadeMachine;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

MemoryEstimate Ask(const MadeMachine& machine, const loader::Config& config = {}) {
  return EstimateOf(machine.host(), loader::Prepare(machine.host(), config));
}

TEST(Estimate, OfAHealthyMachineEverythingIsKnown) {
  MadeMachine machine;
  MemoryEstimate estimate = Ask(machine);
  EXPECT_THAT(estimate.unknown, IsEmpty());
  EXPECT_EQ(estimate.kernel_release, loader::kMadeRelease);
  EXPECT_TRUE(estimate.footprint.measured);
  EXPECT_NE(estimate.initramfs_bytes, 0u);
  EXPECT_EQ(estimate.advice, "");
  std::string text = EstimateText(estimate);
  EXPECT_THAT(text, HasSubstr(" for the capture kernel 6.1.0-56-cloud-amd64\n"));
  EXPECT_THAT(text, HasSubstr("\nreserved now: 128 MiB, enough\n"));
  EXPECT_THAT(text, Not(HasSubstr("not known")));
}

TEST(Estimate, IsWhatCheckAdvises) {
  MadeMachine machine;
  machine.tree.File("/sys/kernel/kexec_crash_size", "0\n").File("/proc/cmdline", "console=ttyS0\n");
  loader::Preparation preparation = loader::Prepare(machine.host(), {});
  MemoryEstimate estimate = EstimateOf(machine.host(), preparation);
  EXPECT_THAT(estimate.advice, HasSubstr(" to the kernel command line"));
  bool found = false;
  for (const loader::CheckItem& item : preparation.checks) {
    if (item.id != "reserved-memory") continue;
    EXPECT_EQ(item.advice, estimate.advice);
    found = true;
  }
  EXPECT_TRUE(found);
  EXPECT_THAT(EstimateText(estimate), HasSubstr("reserved now: nothing; add crashkernel="));
}

TEST(Estimate, CountsTheCpusOfTheConfiguration) {
  MadeMachine machine;
  loader::Config config;
  uint64_t one = Ask(machine, config).footprint.advised_bytes;
  config.cpus = 4;
  EXPECT_GT(Ask(machine, config).footprint.advised_bytes, one);
}

TEST(Estimate, WithoutATargetAUsualInitramfsIsTakenAndItSaysSo) {
  MadeMachine machine;
  loader::Config config;
  config.target = "/nonexistent";
  MemoryEstimate estimate = Ask(machine, config);
  EXPECT_THAT(estimate.unknown, SizeIs(1));
  EXPECT_EQ(estimate.initramfs_bytes, 0u);
  EXPECT_GE(estimate.footprint.advised_bytes, Ask(machine).footprint.advised_bytes);
  EXPECT_THAT(EstimateText(estimate), HasSubstr("\nnot known: target: /nonexistent"));
}

TEST(Estimate, WithoutTheKernelsImageThereIsAnEstimateAllTheSame) {
  MadeMachine machine;
  loader::Config config;
  config.kernel = "/boot/none";
  MemoryEstimate estimate = Ask(machine, config);
  EXPECT_FALSE(estimate.footprint.measured);
  EXPECT_THAT(EstimateText(estimate),
              HasSubstr("crashkernel=128M for the capture kernel (not known)"));
  EXPECT_THAT(EstimateText(estimate), HasSubstr("\nnot known: kernel-image: "));
}

TEST(Estimate, WhereNothingCanBeReservedItSaysSo) {
  MadeMachine machine;
  machine.tree.Remove("/sys/kernel/kexec_crash_size");
  MemoryEstimate estimate = Ask(machine);
  EXPECT_EQ(estimate.reserved_bytes, std::nullopt);
  EXPECT_THAT(EstimateText(estimate), HasSubstr("\nreserved now: not known\n"));
  EXPECT_THAT(EstimateText(estimate), HasSubstr("without crash kexec"));
}

TEST(Estimate, TheJsonSaysTheSame) {
  MadeMachine machine;
  MemoryEstimate estimate = Ask(machine);
  auto json = nlohmann::json::parse(EstimateJson(estimate));
  EXPECT_EQ(json["advised_bytes"], estimate.footprint.advised_bytes);
  EXPECT_EQ(json["measured"], true);
  EXPECT_EQ(json["reserved_bytes"], 128 << 20);
  EXPECT_EQ(json["parts"].size(), estimate.footprint.parts.size());
  uint64_t sum = 0;
  for (const auto& part : json["parts"]) sum += part["bytes"].get<uint64_t>();
  EXPECT_EQ(sum, estimate.footprint.advised_bytes);
  EXPECT_TRUE(json["unknown"].empty());
}

}  // namespace
}  // namespace hmem::arm
