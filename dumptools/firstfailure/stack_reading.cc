// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/stack_reading.h"

#include <algorithm>
#include <array>
#include <span>

namespace hmem::firstfailure {
namespace {

bool IsOneOf(std::string_view name, std::span<const std::string_view> sorted) {
  return std::ranges::binary_search(sorted, name);
}

template <size_t N>
consteval std::array<std::string_view, N> Sorted(std::array<std::string_view, N> names) {
  std::ranges::sort(names);
  return names;
}

constexpr auto kPanic = Sorted(
    std::to_array<std::string_view>({"panic", "vpanic", "nmi_panic", "nmi_panic_self_stop"}));

constexpr auto kDeath = Sorted(std::to_array<std::string_view>({
    // Into the crash kernel.
    "__crash_kexec",
    "crash_kexec",
    "machine_kexec",
    "crash_setup_regs",
    "machine_crash_shutdown",
    "native_machine_crash_shutdown",
    "crash_save_cpu",
    "crash_smp_send_stop",
    "kdump_nmi_shootdown_cpus",
    "panic_smp_self_stop",
    "default_machine_kexec",
    "default_machine_crash_shutdown",
    "crash_kexec_secondary",
    "__machine_kexec",
    "relocate_kernel",
    "try_crash_kexec",
    // Oops, x86.
    "oops_begin",
    "oops_end",
    "oops_exit",
    "die",
    "__die",
    "__die_body",
    "__die_header",
    "die_addr",
    "page_fault_oops",
    "no_context",
    "kernelmode_fixup_or_oops",
    "bad_area",
    "__bad_area",
    "bad_area_nosemaphore",
    "__bad_area_nosemaphore",
    "bad_area_access_error",
    "do_user_addr_fault",
    "do_kern_addr_fault",
    "__do_page_fault",
    "do_page_fault",
    "handle_page_fault",
    "do_trap",
    "do_trap_no_signal",
    "do_error_trap",
    "do_invalid_op",
    "do_general_protection",
    "do_divide_error",
    "do_double_fault",
    "fixup_bug",
    "handle_bug",
    "handle_invalid_op",
    "report_bug",
    "error_entry",
    "page_fault",
    "async_page_fault",
    "invalid_op",
    "general_protection",
    "divide_error",
    "double_fault",
    "stack_segment",
    "handle_stack_overflow",
    "make_task_dead",
    "rewind_stack_and_make_dead",
    "rewind_stack_do_exit",
    "gp_user_force_sig_segv",
    "gp_exception",
    // Oops, arm64.
    "die_kernel_fault",
    "__do_kernel_fault",
    "do_bad_area",
    "do_translation_fault",
    "do_mem_abort",
    "do_sp_pc_abort",
    "el1_abort",
    "el1_pc",
    "el1_dbg",
    "el1_undef",
    "el1h_64_sync",
    "el1h_64_sync_handler",
    "el1_sync",
    "el1_da",
    "bug_handler",
    "call_break_hook",
    "brk_handler",
    "do_debug_exception",
    "do_undefinstr",
    "do_el1_undef",
    "arm64_notify_die",
    "panic_bad_stack",
    "handle_bad_stack",
    "__bad_stack",
    // Oops, powerpc.
    "bad_page_fault",
    "__bad_page_fault",
    "___do_page_fault",
    "hash__do_page_fault",
    "data_access_common_virt",
    "instruction_access_common_virt",
    "program_check_exception",
    "program_check_common_virt",
    "do_program_check",
    "handle_page_fault_asm",
    "_exception",
    "_exception_pkey",
    // Warnings that panic, and what else only leads to panic().
    "__warn",
    "__warn_printk",
    "warn_slowpath_fmt",
    "warn_slowpath_null",
    "check_panic_on_warn",
    "__stack_chk_fail",
    "end_report",
    "kasan_report",
}));

constexpr auto kNmi = Sorted(std::to_array<std::string_view>(
    {"asm_exc_nmi", "exc_nmi", "nmi", "end_repeat_nmi", "nmi_handle", "default_do_nmi", "do_nmi",
     "first_nmi", "repeat_nmi", "nmi_enter", "system_reset_exception", "soft_nmi_interrupt",
     "asm_exc_machine_check", "exc_machine_check"}));

constexpr auto kHard =
    Sorted(std::to_array<std::string_view>({"asm_common_interrupt",
                                            "common_interrupt",
                                            "__common_interrupt",
                                            "do_IRQ",
                                            "handle_irq_event",
                                            "handle_irq_event_percpu",
                                            "__handle_irq_event_percpu",
                                            "generic_handle_irq",
                                            "generic_handle_domain_irq",
                                            "__handle_domain_irq",
                                            "handle_domain_irq",
                                            "handle_edge_irq",
                                            "handle_level_irq",
                                            "handle_fasteoi_irq",
                                            "handle_percpu_devid_irq",
                                            "hrtimer_interrupt",
                                            "apic_timer_interrupt",
                                            "smp_apic_timer_interrupt",
                                            "local_apic_timer_interrupt",
                                            "irq_work_run",
                                            "irq_work_run_list",
                                            "generic_smp_call_function_single_interrupt",
                                            "call_function_interrupt",
                                            "call_function_single_interrupt",
                                            "el1h_64_irq",
                                            "el1h_64_irq_handler",
                                            "el1_irq",
                                            "el1_interrupt",
                                            "gic_handle_irq",
                                            "do_interrupt_handler",
                                            "call_on_irq_stack",
                                            "__do_irq",
                                            "do_IRQ_ppc",
                                            "timer_interrupt",
                                            "hardware_interrupt_common_virt",
                                            "decrementer_common_virt",
                                            "xen_evtchn_do_upcall",
                                            "ret_from_intr"}));

constexpr auto kSoft = Sorted(std::to_array<std::string_view>(
    {"__do_softirq", "handle_softirqs", "do_softirq", "__local_bh_enable_ip", "run_ksoftirqd",
     "do_softirq_own_stack", "__irq_exit_rcu", "irq_exit_rcu", "irq_exit", "call_softirq",
     "asm_call_on_stack_softirq"}));

constexpr auto kTask =
    Sorted(std::to_array<std::string_view>({"entry_SYSCALL_64_after_hwframe",
                                            "entry_SYSCALL_64",
                                            "entry_SYSENTER_compat_after_hwframe",
                                            "entry_SYSCALL_compat_after_hwframe",
                                            "do_syscall_64",
                                            "do_fast_syscall_32",
                                            "__do_fast_syscall_32",
                                            "do_int80_emulation",
                                            "ret_from_fork",
                                            "ret_from_fork_asm",
                                            "kthread",
                                            "cpu_startup_entry",
                                            "do_idle",
                                            "start_kernel",
                                            "rest_init",
                                            "el0t_64_sync",
                                            "el0t_64_sync_handler",
                                            "el0_svc",
                                            "el0_svc_common",
                                            "el0_sync",
                                            "system_call_exception",
                                            "system_call_common",
                                            "system_call_vectored_common",
                                            "ret_from_kernel_thread",
                                            "ret_from_kernel_user_thread",
                                            "start_kernel_thread",
                                            "secondary_startup_64_no_verify",
                                            "secondary_startup_64",
                                            "start_secondary"}));

constexpr auto kWaiting =
    Sorted(std::to_array<std::string_view>({"__switch_to",
                                            "__switch_to_asm",
                                            "context_switch",
                                            "__schedule",
                                            "schedule",
                                            "preempt_schedule",
                                            "preempt_schedule_common",
                                            "schedule_preempt_disabled",
                                            "schedule_timeout",
                                            "schedule_timeout_uninterruptible",
                                            "schedule_timeout_interruptible",
                                            "schedule_timeout_killable",
                                            "schedule_hrtimeout_range",
                                            "schedule_hrtimeout_range_clock",
                                            "io_schedule",
                                            "io_schedule_timeout",
                                            "io_schedule_prepare",
                                            "__mutex_lock",
                                            "__mutex_lock_slowpath",
                                            "__mutex_lock_killable_slowpath",
                                            "__mutex_lock_interruptible_slowpath",
                                            "mutex_lock",
                                            "mutex_lock_killable",
                                            "mutex_lock_interruptible",
                                            "mutex_lock_io",
                                            "mutex_lock_nested",
                                            "down",
                                            "__down",
                                            "__down_common",
                                            "down_read",
                                            "down_write",
                                            "down_killable",
                                            "down_read_killable",
                                            "down_write_killable",
                                            "down_interruptible",
                                            "__down_read",
                                            "__down_write",
                                            "down_timeout",
                                            "rwsem_down_read_slowpath",
                                            "rwsem_down_write_slowpath",
                                            "wait_for_completion",
                                            "wait_for_completion_timeout",
                                            "wait_for_completion_killable",
                                            "wait_for_completion_interruptible",
                                            "__wait_for_common",
                                            "wait_for_common",
                                            "do_wait_for_common",
                                            "wait_for_completion_state",
                                            "wait_for_completion_io",
                                            "bit_wait",
                                            "bit_wait_io",
                                            "__wait_on_bit",
                                            "__wait_on_bit_lock",
                                            "out_of_line_wait_on_bit",
                                            "out_of_line_wait_on_bit_lock",
                                            "rt_mutex_schedule",
                                            "rt_mutex_slowlock_block",
                                            "__rt_mutex_slowlock",
                                            "rt_mutex_slowlock",
                                            "msleep",
                                            "ssleep",
                                            "usleep_range_state"}));

template <size_t N>
bool KernelFrameIn(const v1::Frame& frame, const std::array<std::string_view, N>& names) {
  return frame.module().empty() && IsOneOf(WithoutCompilerSuffix(frame.symbol()), names);
}

bool IsExceptionEntry(const v1::Frame& frame) {
  if (!frame.module().empty()) return false;
  std::string_view name = frame.symbol();
  return name.starts_with("asm_exc_") || name.starts_with("exc_");
}

bool IsSystemVector(const v1::Frame& frame) {
  if (!frame.module().empty()) return false;
  std::string_view name = frame.symbol();
  return name.starts_with("asm_sysvec_") || name.starts_with("sysvec_") ||
         name.starts_with("__sysvec_");
}

}  // namespace

std::string_view WithoutCompilerSuffix(std::string_view symbol) {
  size_t dot = symbol.find('.', 1);
  return symbol.substr(0, dot);
}

bool IsPanicFrame(const v1::Frame& frame) { return KernelFrameIn(frame, kPanic); }

bool IsDeathFrame(const v1::Frame& frame) {
  return IsPanicFrame(frame) || KernelFrameIn(frame, kDeath) || IsExceptionEntry(frame);
}

std::optional<size_t> FirstLivingFrame(const v1::Stack& stack) {
  for (int i = 0; i < stack.frames_size(); ++i) {
    const v1::Frame& frame = stack.frames(i);
    if (frame.symbol().empty() || frame.guessed()) continue;
    // An interrupted frame is where a program was, whatever its name.
    if (frame.interrupted() || !IsDeathFrame(frame)) return static_cast<size_t>(i);
  }
  return std::nullopt;
}

std::optional<size_t> FirstInterruptedFrame(const v1::Stack& stack) {
  for (int i = 0; i < stack.frames_size(); ++i) {
    if (stack.frames(i).interrupted() && !stack.frames(i).symbol().empty())
      return static_cast<size_t>(i);
  }
  return std::nullopt;
}

std::optional<size_t> FirstWaitingFrame(const v1::Stack& stack) {
  for (int i = 0; i < stack.frames_size(); ++i) {
    const v1::Frame& frame = stack.frames(i);
    if (!frame.symbol().empty() && !frame.guessed() && !KernelFrameIn(frame, kWaiting))
      return static_cast<size_t>(i);
  }
  return std::nullopt;
}

std::string ContextOf(const v1::Stack& stack, size_t from) {
  for (size_t i = from; i < static_cast<size_t>(stack.frames_size()); ++i) {
    const v1::Frame& frame = stack.frames(static_cast<int>(i));
    if (frame.guessed()) continue;
    if (KernelFrameIn(frame, kNmi)) return "nmi";
    if (KernelFrameIn(frame, kSoft)) return "soft interrupt";
    if (KernelFrameIn(frame, kHard) || IsSystemVector(frame)) return "hard interrupt";
    if (KernelFrameIn(frame, kTask)) return "task";
  }
  if (stack.ends_in_user() && from < static_cast<size_t>(stack.frames_size())) return "task";
  return {};
}

}  // namespace hmem::firstfailure
