// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/plan/capture_plan.h"

#include <gtest/gtest.h>

namespace hmem::plan {
namespace {

CapturePlan PathPlan() {
  CapturePlan plan;
  plan.target.name = "/var/crash";
  plan.target.hardware_path = "/devices/pci0000:00/0000:00:04.0/virtio*/block";
  plan.target.partition = 1;
  plan.target.sectors = 12345;
  plan.target.file_system = {"xfs", "00112233-4455-6677-8899-aabbccddeeff"};
  plan.target.directory = "/crash";
  plan.source = SourceChoice::kHmem;
  plan.device_modules = {{"/lib/modules/of.ko", ""}, {"/lib/modules/hmem.ko", "debug=1"}};
  plan.modules = {{"/lib/modules/virtio.ko", ""},
                  {"/lib/modules/virtio_blk.ko", "queue_depth=4 x=\"a b\""}};
  plan.deadlines = {.record_s = 5, .dump_s = 6, .target_s = 7, .log_s = 8, .total_s = 9};
  plan.final_action = FinalAction::kPoweroff;
  plan.dump_cpus = 4;
  plan.exclude = "31";
  plan.keep = "task:crashing range:0x1-0x2";
  return plan;
}

// The text of a whole plan with the line of `key` replaced; "" leaves it out.
std::string With(std::string_view key, std::string_view line) {
  std::string text = FormatCapturePlan(PathPlan());
  size_t at = text.find(std::string(key) + " = ");
  size_t end = text.find('\n', at) + 1;
  return text.replace(at, end - at, line);
}

std::string Refusal(const std::string& text) {
  auto plan = ParseCapturePlan(text, "init.conf");
  return plan ? "" : plan.error().ToString();
}

TEST(CapturePlan, ComesBackAsItWasWritten) {
  auto plan = ParseCapturePlan(FormatCapturePlan(PathPlan()), "init.conf");
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ(*plan, PathPlan());
}

TEST(CapturePlan, ADeviceNeedsNoFileSystem) {
  CapturePlan device = PathPlan();
  device.target.kind = Target::Kind::kDevice;
  device.target.file_system = {};
  device.target.directory.clear();
  auto plan = ParseCapturePlan(FormatCapturePlan(device), "init.conf");
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ(*plan, device);
}

TEST(CapturePlan, RefusesAnUnknownKey) {
  EXPECT_EQ(Refusal(With("target.kind", "target.knd = path\n")),
            "init.conf: line 2: unknown key \"target.knd\"");
}

TEST(CapturePlan, RefusesAKeyASecondTime) {
  EXPECT_EQ(Refusal(With("target.kind", "target.kind = path\ntarget.kind = path\n")),
            "init.conf: line 3: \"target.kind\" a second time");
}

TEST(CapturePlan, RefusesAnUnknownKind) {
  EXPECT_EQ(Refusal(With("target.kind", "target.kind = tape\n")),
            "init.conf: line 2: \"tape\" is neither path nor device");
}

TEST(CapturePlan, RefusesAnUnknownFinalAction) {
  EXPECT_NE(Refusal(With("final_action", "final_action = dance\n")).find("\"dance\" is none of"),
            std::string::npos);
}

TEST(CapturePlan, RefusesAnUnknownSource) {
  EXPECT_NE(Refusal(With("source", "source = kcore\n")).find("\"kcore\" is none of auto, hmem"),
            std::string::npos);
}

TEST(CapturePlan, RefusesADeadlineOfMoreThanAWeek) {
  EXPECT_NE(Refusal(With("deadline.total", "deadline.total = 604801\n")).find("604801"),
            std::string::npos);
}

TEST(CapturePlan, RefusesAPlanThatDoesNotSayWhere) {
  for (std::string_view key : {"target.name", "target.hardware_path", "target.fs_type",
                               "target.fs_uuid", "target.directory"}) {
    EXPECT_EQ(Refusal(With(key, "")), "init.conf: no \"" + std::string(key) + "\"");
  }
}

TEST(CapturePlan, GivesTheDumpMoreTimeForMoreMemory) {
  CapturePlan plan;
  EXPECT_EQ(plan.DumpDeadline(0), 60u);
  EXPECT_EQ(plan.DumpDeadline(uint64_t{1} << 30), 60u + 64u);
  EXPECT_EQ(plan.DumpDeadline(UINT64_MAX), kMaxDeadlineSeconds);
  plan.deadlines.dump_s = 30;
  EXPECT_EQ(plan.DumpDeadline(uint64_t{1} << 40), 30u);
}

TEST(CapturePlan, TheWholeRunHasTimeForEveryStageAtItsWorst) {
  CapturePlan plan;
  plan.deadlines = {.record_s = 5, .dump_s = 100, .target_s = 10, .log_s = 20, .total_s = 0};
  EXPECT_EQ(plan.TotalDeadline(0), 10u + 2 * 5u + 3 * 100u + 20u);
  plan.deadlines.total_s = 42;
  EXPECT_EQ(plan.TotalDeadline(0), 42u);
}

}  // namespace
}  // namespace hmem::plan
