// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/dump_stage.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/temp_file.h"

namespace hmem::dump {
namespace {

class DumpStage : public testing::Test {
 protected:
  DumpStage() { makers::FillMachine(machine_); }

  Result<DumpResult> Dump(Options options) {
    Target target{.kind = TargetKind::kDirectory,
                  .path = dir_.path(),
                  .dump_path = dir_.File("dump.hmem"),
                  .record_path = dir_.File("first-failure.pb")};
    options.progress = Progress::kNone;
    return RunDumpStage(machine_, options, target, std::chrono::steady_clock::now(), stop_,
                        findings_);
  }

  fakes::FakeSource machine_;
  makers::TempDir dir_;
  std::atomic<bool> stop_ = false;
  Findings findings_;
};

TEST_F(DumpStage, WithoutRecordOpensAndIsComplete) {
  auto result = Dump({.no_record = true});
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_TRUE(findings_.HasLosses());
  auto dump = source::Open(result->path);
  ASSERT_TRUE(dump) << dump.error().ToString();
  EXPECT_TRUE((*dump)->first_failure().empty());
  EXPECT_TRUE((*dump)->complete());
  Findings wrong;
  ASSERT_TRUE((*dump)->Verify(wrong));
  EXPECT_TRUE(wrong.all().empty());
}

}  // namespace
}  // namespace hmem::dump
