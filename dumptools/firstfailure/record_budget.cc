// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/record_budget.h"

#include <fmt/format.h>

#include <algorithm>

#include "dumptools/firstfailure/encode.h"

namespace hmem::firstfailure {
namespace {

constexpr size_t kLogKept = 4 << 10;
// For the findings that dropping itself adds, and tags and lengths.
constexpr size_t kReserve = 4 << 10;

size_t FindingBytes(const Findings& findings) {
  v1::FirstFailure only;
  EncodeFindings(findings, only.mutable_findings());
  return only.ByteSizeLong();
}

class Fitter {
 public:
  Fitter(size_t limit, v1::FirstFailure& record, Findings& findings)
      : limit_(limit), record_(record), findings_(findings) {
    size_ = record.ByteSizeLong();
  }

  bool Fits() const { return size_ <= limit_; }

  // Takes elements off the end of a repeated field while the record is too big.
  template <typename Field>
  void DropLast(Field* field, int keep, std::string_view id, std::string_view what) {
    int dropped = 0;
    while (!Fits() && field->size() > keep) {
      Account(field->Get(field->size() - 1).ByteSizeLong());
      field->RemoveLast();
      ++dropped;
    }
    Report(dropped, id, what);
  }

  // Records count as encoded: one with an empty text is not free.
  void DropOlderLog(size_t kept, std::string_view id) {
    auto* log = record_.mutable_log_tail();
    size_t left = 0;
    for (const v1::LogRecord& line : *log) left += line.ByteSizeLong();
    int dropped = 0;
    while (!Fits() && dropped < log->size() && (kept == 0 || left > kept)) {
      const size_t bytes = log->Get(dropped).ByteSizeLong();
      left -= bytes;
      Account(bytes);
      ++dropped;
    }
    log->DeleteSubrange(0, dropped);
    record_.set_log_records_omitted(record_.log_records_omitted() + static_cast<uint64_t>(dropped));
    Report(dropped, id, "older log records");
  }

  void DropOtherCpus() {
    int dropped = 0;
    for (int i = record_.cpus_size(); i > 0 && !Fits(); --i) {
      v1::Cpu& cpu = *record_.mutable_cpus(i - 1);
      if (cpu.crashed()) continue;
      size_t before = cpu.ByteSizeLong();
      cpu.clear_registers();
      cpu.clear_stack();
      cpu.mutable_stack()->set_end_reason("dropped to keep the record small");
      size_t after = cpu.ByteSizeLong();
      if (after < before) Account(before - after);
      ++dropped;
    }
    Report(dropped, "record.dropped.cpus", "stacks and registers of CPUs that did not crash");
  }

  void DropRestOfCpus() {
    auto* cpus = record_.mutable_cpus();
    int dropped = 0;
    for (int i = cpus->size(); i > 0 && !Fits(); --i) {
      if (cpus->Get(i - 1).crashed()) continue;
      Account(cpus->Get(i - 1).ByteSizeLong());
      cpus->DeleteSubrange(i - 1, 1);
      ++dropped;
    }
    Report(dropped, "record.dropped.rest-of-cpus", "CPUs that did not crash");
  }

 private:
  // An element's own bytes without its tag: an underestimate, so never too little is dropped.
  void Account(size_t bytes) { size_ -= std::min(size_, bytes); }
  void Report(int dropped, std::string_view id, std::string_view what) {
    if (dropped == 0) return;
    findings_.Add(Severity::kLoss, id, "",
                  fmt::format("{} {} dropped to keep the record small", dropped, what));
    size_ = record_.ByteSizeLong();
  }

  size_t limit_;
  size_t size_ = 0;
  v1::FirstFailure& record_;
  Findings& findings_;
};

}  // namespace

void FitRecord(size_t max_bytes, v1::FirstFailure& record, Findings& findings) {
  const size_t taken = FindingBytes(findings) + kReserve;
  Fitter fitter(max_bytes > taken ? max_bytes - taken : 0, record, findings);
  if (fitter.Fits()) return;
  fitter.DropLast(record.mutable_blocked_tasks(), 0, "record.dropped.blocked-tasks",
                  "blocked tasks' stacks");
  fitter.DropOlderLog(kLogKept, "record.dropped.log");
  fitter.DropOtherCpus();
  fitter.DropLast(record.mutable_modules(), 0, "record.dropped.modules", "modules");
  if (record.has_first_failure()) {
    fitter.DropLast(record.mutable_first_failure()->mutable_records(), 0,
                    "record.dropped.first-failure", "records of the first failure");
  }
  fitter.DropOlderLog(0, "record.dropped.rest-of-log");
  fitter.DropRestOfCpus();
}

}  // namespace hmem::firstfailure
