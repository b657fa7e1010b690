// SPDX-License-Identifier: GPL-2.0-or-later
// Why the kernel stopped, concluded from three witnesses: the end of the log, the crashed CPU's
// stack, its registers. Where they disagree the stack wins over the log: an oops in the log may be
// long over. Lines that userland wrote into the log are no witness.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dumptools/walk/printk.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

struct CauseResult {
  v1::Cause cause;
  // In the log: the panic line, and the line that said what happened before it.
  std::optional<size_t> panic_record, failure_record;
  // Frames of the crashed CPU's stack above the location: the kernel dying.
  size_t machinery_frames = 0;
};

// `record` holds what is known by now: cpus with symbolised stacks, crashed_cpu, blocked_tasks,
// clock. Any of it may be missing.
CauseResult FindCause(std::span<const walk::LogRecord> log, const v1::FirstFailure& record);

// FindCause, stored in the record, with `machinery` set on the frames that are.
CauseResult SetCause(std::span<const walk::LogRecord> log, v1::FirstFailure& record);

// The stack that the cause's location is in; nullptr: none of the record's.
const v1::Stack* LocationStack(const v1::FirstFailure& record);

// The task that the log's last hung-task line names: its stack is worth keeping.
std::optional<int32_t> NamedHungTask(std::span<const walk::LogRecord> log);

}  // namespace hmem::firstfailure
