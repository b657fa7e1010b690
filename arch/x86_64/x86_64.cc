// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/arch.h"
#include "arch/x86_64/page_tables.h"

namespace hmem::arch {
namespace {

constexpr uint16_t kEmX86_64 = 62;

// struct user_regs_struct (arch/x86/include/asm/user_64.h); struct pt_regs is its first 21 words.
constexpr Register kRegisters[] = {
    {"r15", 0, 8},   {"r14", 8, 8},       {"r13", 16, 8},      {"r12", 24, 8},
    {"rbp", 32, 8},  {"rbx", 40, 8},      {"r11", 48, 8},      {"r10", 56, 8},
    {"r9", 64, 8},   {"r8", 72, 8},       {"rax", 80, 8},      {"rcx", 88, 8},
    {"rdx", 96, 8},  {"rsi", 104, 8},     {"rdi", 112, 8},     {"orig_rax", 120, 8},
    {"rip", 128, 8}, {"cs", 136, 8},      {"eflags", 144, 8},  {"rsp", 152, 8},
    {"ss", 160, 8},  {"fs_base", 168, 8}, {"gs_base", 176, 8}, {"ds", 184, 8},
    {"es", 192, 8},  {"fs", 200, 8},      {"gs", 208, 8},
};

// struct inactive_task_frame (arch/x86/include/asm/switch_to.h, 4.9+).
constexpr StackRules::SavedRegister kSwitchFrame[] = {
    {"r15", "r15"}, {"r14", "r14"}, {"r13", "r13"},      {"r12", "r12"},
    {"rbx", "bx"},  {"rbp", "bp"},  {"rip", "ret_addr"},
};

constexpr StackRules kStackRules = {
    .saved_sp_path = "thread.sp",
    .switch_frame_struct = "inactive_task_frame",
    .switch_frame_registers = kSwitchFrame,
    .default_stack_bytes = 16 << 10,
};

constexpr Arch kArch = {
    .name = "x86_64",
    .elf_machine = kEmX86_64,
    .word_bytes = 8,
    .endian = Endian::kLittle,
    .prstatus = {.size = 336, .pid_offset = 32, .regs_offset = 112, .regs_size = 27 * 8},
    .registers = kRegisters,
    .pc_register = "rip",
    .sp_register = "rsp",
    .fp_register = "rbp",
    .translation_facts = x86_64::FactsFromNumbers,
    .translate = x86_64::Walk,
    .fixed_translation = x86_64::KernelImage,
    .visit_tables = x86_64::VisitTables,
    .stack_rules = &kStackRules,
};

}  // namespace

const Arch& X8664Arch() { return kArch; }

}  // namespace hmem::arch
