// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/encode.h"

#include <fmt/format.h>

#include <algorithm>

#include "dumptools/walk/symbolize.h"

namespace hmem::firstfailure {
namespace {

// Bytes of the valid UTF-8 sequence at the start of `text`; 0: there is none (Unicode 15, table
// 3-7).
size_t SequenceLength(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  auto follows = [&](size_t i, uint8_t low = 0x80, uint8_t high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  uint8_t b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b <= 0xdf) return follows(1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    return follows(1, b == 0xe0 ? 0xa0 : 0x80, b == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    return follows(1, b == 0xf0 ? 0x90 : 0x80, b == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3)
               ? 4
               : 0;
  }
  return 0;
}

v1::Finding::Severity EncodeSeverity(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return v1::Finding::SEVERITY_INFO;
    case Severity::kLoss:
      return v1::Finding::SEVERITY_LOSS;
    case Severity::kError:
      return v1::Finding::SEVERITY_ERROR;
  }
  return v1::Finding::SEVERITY_UNSPECIFIED;
}

v1::Cpu::RegistersOrigin EncodeOrigin(walk::RegistersOrigin origin) {
  switch (origin) {
    case walk::RegistersOrigin::kNone:
      break;
    case walk::RegistersOrigin::kCrashNotes:
      return v1::Cpu::REGISTERS_ORIGIN_CRASH_NOTES;
    case walk::RegistersOrigin::kSnapshot:
      return v1::Cpu::REGISTERS_ORIGIN_SNAPSHOT;
    case walk::RegistersOrigin::kFileByPid:
      return v1::Cpu::REGISTERS_ORIGIN_FILE_BY_PID;
    case walk::RegistersOrigin::kFileInOrder:
      return v1::Cpu::REGISTERS_ORIGIN_FILE_IN_ORDER;
  }
  return v1::Cpu::REGISTERS_ORIGIN_UNSPECIFIED;
}

}  // namespace

std::string SafeText(std::string_view bytes, size_t max_bytes) {
  std::string safe;
  safe.reserve(std::min(bytes.size(), max_bytes));
  while (!bytes.empty()) {
    size_t n = SequenceLength(bytes);
    std::string escaped;
    std::string_view piece = bytes.substr(0, n);
    if (n == 0) {
      escaped = fmt::format("\\x{:02x}", static_cast<uint8_t>(bytes.front()));
      piece = escaped;
      n = 1;
    }
    if (safe.size() + piece.size() > max_bytes) break;
    safe += piece;
    bytes.remove_prefix(n);
  }
  return safe;
}

v1::Frame EncodeFrame(const symbols::SymbolTable& symbols, const unwind::Frame& frame) {
  v1::Frame out;
  out.set_pc(frame.pc.value);
  out.set_sp(frame.sp.value);
  out.set_exact(frame.exact);
  out.set_interrupted(frame.interrupted);
  out.set_guessed(!frame.reliable);
  if (auto located = walk::LocateFrame(symbols, frame)) {
    out.set_symbol(SafeText(located->symbol.name, 512));
    out.set_offset(located->offset);
    out.set_symbol_size(located->symbol.size_bytes);
    out.set_module(SafeText(located->symbol.module, 64));
  }
  return out;
}

v1::Stack EncodeStack(const symbols::SymbolTable& symbols, const arch::Arch& arch,
                      const unwind::Stack& stack) {
  v1::Stack out;
  for (const unwind::Frame& frame : stack.frames) *out.add_frames() = EncodeFrame(symbols, frame);
  out.set_end_reason(SafeText(stack.end_reason, 512));
  out.set_ends_in_user(stack.ends_in_user);
  if (stack.user_registers)
    EncodeRegisters(arch, *stack.user_registers, out.mutable_user_registers());
  return out;
}

void EncodeRegisters(const arch::Arch& arch, const space::RegisterSet& registers,
                     google::protobuf::RepeatedPtrField<v1::Register>* out) {
  for (const arch::Register& reg : arch.registers) {
    if (auto value = registers.Get(arch, reg.name)) {
      v1::Register* added = out->Add();
      added->set_name(std::string(reg.name));
      added->set_value(*value);
    }
  }
}

v1::Task EncodeTask(const walk::Task& task) {
  v1::Task out;
  out.set_address(task.address.value);
  out.set_pid(task.pid);
  out.set_tgid(task.tgid);
  out.set_parent_tgid(task.parent_tgid);
  out.set_comm(SafeText(task.comm, 64));
  out.set_state(SafeText(std::string_view(&task.state_letter, 1)));
  out.set_kernel_thread(task.kernel_thread);
  out.set_cpu(task.cpu);
  out.set_on_cpu(task.on_cpu);
  out.set_start_time_ns(task.start_time_ns);
  out.set_rss_pages(task.rss_pages);
  return out;
}

v1::Cpu EncodeCpu(const walk::Kernel& kernel, const walk::Cpu& cpu) {
  v1::Cpu out;
  out.set_number(cpu.number);
  out.set_online(cpu.online);
  out.set_crashed(cpu.crashed);
  if (cpu.current) *out.mutable_current() = EncodeTask(*cpu.current);
  if (cpu.registers) EncodeRegisters(kernel.arch(), *cpu.registers, out.mutable_registers());
  out.set_registers_origin(EncodeOrigin(cpu.registers_origin));
  *out.mutable_stack() = EncodeStack(kernel.symbols(), kernel.arch(), cpu.stack);
  return out;
}

v1::LogRecord EncodeLogRecord(const walk::LogRecord& record) {
  v1::LogRecord out;
  out.set_sequence(record.sequence);
  out.set_time_ns(record.time_ns);
  constexpr uint32_t kCpuBit = 1u << 31;
  if (record.caller_id & kCpuBit) {
    out.set_caller(fmt::format("C{}", record.caller_id & ~kCpuBit));
  } else if (record.caller_id != 0) {
    out.set_caller(fmt::format("T{}", record.caller_id));
  }
  out.set_level(record.level);
  out.set_facility(record.facility);
  out.set_text(SafeText(record.text));
  return out;
}

v1::Module EncodeModule(const walk::Module& module) {
  v1::Module out;
  out.set_name(SafeText(module.name, 64));
  out.set_address(module.address.value);
  out.set_size_bytes(module.size_bytes);
  out.set_taint(SafeText(module.taint_letters, 64));
  out.set_state(SafeText(module.state, 64));
  out.set_version(SafeText(module.version, 256));
  out.set_build_id(SafeText(module.build_id, 128));
  for (const std::string& user : module.used_by) out.add_used_by(SafeText(user, 64));
  uint64_t lowest = 0;
  for (const VirtRange& text : module.text) {
    if (!text.empty() && (lowest == 0 || text.start.value < lowest)) lowest = text.start.value;
  }
  out.set_text_address(lowest);
  return out;
}

v1::Finding EncodeFinding(const Finding& finding) {
  v1::Finding out;
  out.set_id(SafeText(finding.id, 128));
  out.set_severity(EncodeSeverity(finding.severity));
  out.set_count(finding.count);
  for (const std::string& place : finding.places) out.add_places(SafeText(place, 256));
  out.set_text(SafeText(finding.text, 1024));
  return out;
}

void EncodeFindings(const Findings& findings,
                    google::protobuf::RepeatedPtrField<v1::Finding>* out) {
  for (const Finding& finding : findings.all()) *out->Add() = EncodeFinding(finding);
  if (findings.dropped() > 0) {
    v1::Finding* dropped = out->Add();
    dropped->set_id("findings.dropped");
    dropped->set_severity(v1::Finding::SEVERITY_LOSS);
    dropped->set_count(findings.dropped());
    dropped->set_text("more kinds of findings than there is room for");
  }
}

v1::KernelIdentity EncodeKernelIdentity(const walk::Kernel& kernel, const walk::System& system) {
  v1::KernelIdentity out;
  std::string release = system.release;
  if (release.empty()) release = kernel.vmcoreinfo().Text("OSRELEASE").value_or("");
  out.set_release(SafeText(release, 256));
  out.set_version(SafeText(system.version, 256));
  out.set_machine(SafeText(system.machine, 256));
  out.set_node_name(SafeText(system.nodename, 256));
  std::string build_id = system.build_id;
  if (build_id.empty()) build_id = kernel.vmcoreinfo().Text("BUILD-ID").value_or("");
  out.set_build_id(SafeText(build_id, 128));
  out.set_banner(SafeText(system.banner, 1024));
  out.set_command_line(SafeText(system.command_line, 4096));
  out.set_arch(std::string(kernel.arch().name));
  out.set_taint(walk::TaintLetters(system.taints));
  out.set_kaslr_offset(kernel.memory().kaslr_offset());
  return out;
}

v1::MemorySummary EncodeMemory(const walk::System& system) {
  v1::MemorySummary out;
  out.set_page_bytes(system.page_bytes);
  out.set_ram_bytes(system.ram_bytes);
  out.set_total_pages(system.total_pages.value_or(0));
  out.set_free_pages(system.free_pages.value_or(0));
  out.set_slab_pages(system.slab_pages.value_or(0));
  out.set_anonymous_pages(system.anon_pages.value_or(0));
  out.set_file_pages(system.file_pages.value_or(0));
  return out;
}

v1::Clock EncodeClock(const walk::System& system, uint64_t log_end_ns) {
  v1::Clock clock;
  std::string trust;
  if (system.crash_time_s) {
    clock.set_crash_time_s(*system.crash_time_s);
    trust = "Crash time as the dead kernel's wall clock had it";
  } else {
    trust = "No crash time: the kernel did not save one";
  }
  // The timekeeper lags behind the log's clock by up to a tick, more when the machine hung.
  if (system.uptime_ns && *system.uptime_ns >= log_end_ns) {
    clock.set_uptime_ns(*system.uptime_ns);
    trust += "; uptime from the dead kernel";
  } else if (log_end_ns != 0) {
    clock.set_uptime_ns(log_end_ns);
    trust += "; uptime is the time of the last log record";
  } else {
    trust += "; uptime unknown";
  }
  clock.set_trust(trust + ".");
  return clock;
}

}  // namespace hmem::firstfailure
