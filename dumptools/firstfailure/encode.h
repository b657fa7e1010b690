// SPDX-License-Identifier: GPL-2.0-or-later
// What the walkers found, as the messages that record and reports share.
#pragma once

#include <string>
#include <string_view>

#include "arch/arch.h"
#include "dumptools/symbols/symbol_table.h"
#include "dumptools/unwind/unwinder.h"
#include "dumptools/walk/cpus.h"
#include "dumptools/walk/modules.h"
#include "dumptools/walk/printk.h"
#include "dumptools/walk/system.h"
#include "dumptools/walk/tasks.h"
#include "hmem/base/findings.h"
#include "hmem/space/cpu_notes.h"
#include "hmem/v1/first_failure.pb.h"
#include "hmem/v1/kernel_objects.pb.h"

namespace hmem::firstfailure {

// UTF-8 as it is; every byte that is not part of a valid sequence as \xNN. At most max_bytes of
// result, cut at a character.
std::string SafeText(std::string_view bytes, size_t max_bytes = 64 << 10);

// A return address is looked up one byte before (the call, not what follows it); the offset is pc's
// own.
v1::Frame EncodeFrame(const symbols::SymbolTable& symbols, const unwind::Frame& frame);
v1::Stack EncodeStack(const symbols::SymbolTable& symbols, const arch::Arch& arch,
                      const unwind::Stack& stack);
// The registers that are known, in the architecture's order.
void EncodeRegisters(const arch::Arch& arch, const space::RegisterSet& registers,
                     google::protobuf::RepeatedPtrField<v1::Register>* out);
v1::Task EncodeTask(const walk::Task& task);
v1::Cpu EncodeCpu(const walk::Kernel& kernel, const walk::Cpu& cpu);
v1::LogRecord EncodeLogRecord(const walk::LogRecord& record);
v1::Module EncodeModule(const walk::Module& module);
v1::Finding EncodeFinding(const Finding& finding);
// Also says how many kinds there was no room for.
void EncodeFindings(const Findings& findings, google::protobuf::RepeatedPtrField<v1::Finding>* out);
v1::KernelIdentity EncodeKernelIdentity(const walk::Kernel& kernel, const walk::System& system);
v1::MemorySummary EncodeMemory(const walk::System& system);
// `log_end_ns`: time of the last log record, 0 when there is none; the uptime where the timekeeper
// could not be read. The trust sentence says which.
v1::Clock EncodeClock(const walk::System& system, uint64_t log_end_ns);

}  // namespace hmem::firstfailure
