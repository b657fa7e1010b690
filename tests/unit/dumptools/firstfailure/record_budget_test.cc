// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/record_budget.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "dumptools/firstfailure/encode.h"
#include "dumptools/firstfailure/record_builder.h"

namespace hmem::firstfailure {
namespace {

void FillStack(v1::Stack* stack, int frames) {
  for (int i = 0; i < frames; ++i) {
    stack->add_frames()->set_symbol("a_function_with_a_name_of_some_length_" + std::to_string(i));
  }
}

v1::FirstFailure Big(int blocked, int log, int cpus, int modules) {
  v1::FirstFailure record;
  for (int i = 0; i < blocked; ++i) FillStack(record.add_blocked_tasks()->mutable_stack(), 100);
  for (int i = 0; i < log; ++i) record.add_log_tail()->set_text(std::string(100, 'x'));
  for (int i = 0; i < cpus; ++i) {
    v1::Cpu& cpu = *record.add_cpus();
    cpu.set_number(static_cast<uint32_t>(i));
    cpu.set_crashed(i == 1);
    FillStack(cpu.mutable_stack(), 20);
  }
  for (int i = 0; i < modules; ++i) record.add_modules()->set_name("module_" + std::to_string(i));
  return record;
}

bool Has(const Findings& findings, std::string_view id) {
  return std::ranges::any_of(findings.all(), [&](const Finding& f) { return f.id == id; });
}

size_t FinalSize(v1::FirstFailure record, const Findings& findings) {
  EncodeFindings(findings, record.mutable_findings());
  return record.ByteSizeLong();
}

TEST(RecordBudget, ASmallRecordStaysAsItIs) {
  v1::FirstFailure record = Big(1, 10, 2, 3);
  const std::string before = record.SerializeAsString();
  Findings findings;
  FitRecord(kMaxRecordBytes, record, findings);
  EXPECT_EQ(record.SerializeAsString(), before);
  EXPECT_TRUE(findings.all().empty());
}

TEST(RecordBudget, BlockedTasksGoFirst) {
  v1::FirstFailure record = Big(60, 100, 2, 10);
  Findings findings;
  FitRecord(100 << 10, record, findings);
  EXPECT_LE(FinalSize(record, findings), 100u << 10);
  EXPECT_LT(record.blocked_tasks_size(), 60);
  EXPECT_EQ(record.log_tail_size(), 100);
  EXPECT_TRUE(Has(findings, "record.dropped.blocked-tasks"));
  EXPECT_FALSE(Has(findings, "record.dropped.log"));
}

TEST(RecordBudget, ThenTheOlderLog) {
  v1::FirstFailure record = Big(10, 1000, 2, 10);
  Findings findings;
  FitRecord(64 << 10, record, findings);
  EXPECT_LE(FinalSize(record, findings), 64u << 10);
  EXPECT_EQ(record.blocked_tasks_size(), 0);
  EXPECT_LT(record.log_tail_size(), 1000);
  EXPECT_EQ(record.log_records_omitted(), 1000u - static_cast<uint64_t>(record.log_tail_size()));
  EXPECT_EQ(record.modules_size(), 10);
}

TEST(RecordBudget, TheCrashedCpuStaysWhateverElseGoes) {
  v1::FirstFailure record = Big(10, 1000, 2000, 5000);
  Findings findings;
  FitRecord(16 << 10, record, findings);
  EXPECT_LE(FinalSize(record, findings), 16u << 10);
  ASSERT_GE(record.cpus_size(), 1);
  auto crashed =
      std::ranges::find_if(record.cpus(), [](const v1::Cpu& cpu) { return cpu.crashed(); });
  ASSERT_NE(crashed, record.cpus().end());
  EXPECT_EQ(crashed->stack().frames_size(), 20);
  EXPECT_TRUE(Has(findings, "record.dropped.cpus"));
  EXPECT_TRUE(Has(findings, "record.dropped.modules"));
}

TEST(RecordBudget, EmptyLinesCountToo) {
  v1::FirstFailure record = Big(0, 0, 2, 0);
  for (uint64_t i = 0; i < 100'000; ++i) {
    v1::LogRecord& line = *record.add_log_tail();
    line.set_sequence(i);
    line.set_time_ns(1'000'000'000'000 + i);
  }
  ASSERT_GT(record.ByteSizeLong(), kMaxRecordBytes);
  Findings findings;
  FitRecord(kMaxRecordBytes, record, findings);
  EXPECT_LE(FinalSize(record, findings), kMaxRecordBytes);
  EXPECT_GT(record.log_tail_size(), 0);
  EXPECT_EQ(record.log_records_omitted(), 100'000u - static_cast<uint64_t>(record.log_tail_size()));
  EXPECT_EQ(record.cpus(0).stack().frames_size(), 20);
}

}  // namespace
}  // namespace hmem::firstfailure
