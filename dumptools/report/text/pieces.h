// SPDX-License-Identifier: GPL-2.0-or-later
// The pieces that several text reports share: a frame, a task, a time, the findings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hmem/v1/first_failure.pb.h"
#include "hmem/v1/kernel_objects.pb.h"
#include "hmem/v1/report.pb.h"

namespace hmem::report {

// For a terminal: control characters as \xNN, so that a log line cannot write the screen. Newlines
// and tabs stay only in what may have several lines: elsewhere a process name could add a line to
// the report.
enum class Lines { kOne, kMany };
std::string Printable(std::string_view text, Lines lines = Lines::kOne);

// "symbol+0x1b/0x20 [module]" as /proc/PID/stack has it; the bare address where no symbol covers
// it.
std::string FrameText(const v1::Frame& frame);
// "0xffffffff81000000".
std::string AddressText(uint64_t address);
// "12.345678 s"; "2 d 03:04:05" from an hour on.
std::string DurationText(uint64_t ns);
// "2026-11-22 10:37:01 UTC"; "unknown" for 0 and for times no calendar has.
std::string DateText(int64_t unix_seconds);
// "384.0 MiB".
std::string BytesText(uint64_t bytes);
// "[    3.435838] text", every further line of the text indented as far.
std::string LogLineText(const v1::LogRecord& record);
// "witness (pid 312)"; the idle task as "swapper/1 (idle)".
std::string TaskText(const v1::Task& task);

// "HEADING" with an empty line before it.
std::string Heading(std::string_view heading);
// "  label       value\n"; nothing when the value is empty.
std::string Row(std::string_view label, std::string_view value);

// The frames from `first` on, one a line with its number, indented by `indent`, then why the stack
// ended early. Frame `mark` gets an arrow.
std::string StackText(const v1::Stack& stack, std::string_view indent, int mark = -1,
                      int first = 0);
// Four registers a line.
std::string RegistersText(const google::protobuf::RepeatedPtrField<v1::Register>& registers,
                          std::string_view indent);
// Losses first. Nothing when there are none.
std::string FindingsText(const google::protobuf::RepeatedPtrField<v1::Finding>& findings);

}  // namespace hmem::report
