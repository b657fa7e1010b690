// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/arch.h"
#include "arch/ppc32/page_tables.h"

namespace hmem::arch {
namespace {

constexpr uint16_t kEmPpc = 20;

// struct pt_regs (arch/powerpc/include/asm/ptrace.h); elf_gregset_t has 48 words, the last four
// unused.
constexpr Register kRegisters[] = {
    {"r0", 0, 4},     {"r1", 4, 4},    {"r2", 8, 4},      {"r3", 12, 4},      {"r4", 16, 4},
    {"r5", 20, 4},    {"r6", 24, 4},   {"r7", 28, 4},     {"r8", 32, 4},      {"r9", 36, 4},
    {"r10", 40, 4},   {"r11", 44, 4},  {"r12", 48, 4},    {"r13", 52, 4},     {"r14", 56, 4},
    {"r15", 60, 4},   {"r16", 64, 4},  {"r17", 68, 4},    {"r18", 72, 4},     {"r19", 76, 4},
    {"r20", 80, 4},   {"r21", 84, 4},  {"r22", 88, 4},    {"r23", 92, 4},     {"r24", 96, 4},
    {"r25", 100, 4},  {"r26", 104, 4}, {"r27", 108, 4},   {"r28", 112, 4},    {"r29", 116, 4},
    {"r30", 120, 4},  {"r31", 124, 4}, {"nip", 128, 4},   {"msr", 132, 4},    {"orig_r3", 136, 4},
    {"ctr", 140, 4},  {"lr", 144, 4},  {"xer", 148, 4},   {"cr", 152, 4},     {"mq", 156, 4},
    {"trap", 160, 4}, {"dar", 164, 4}, {"dsisr", 168, 4}, {"result", 172, 4},
};

constexpr Arch kArch = {
    .name = "ppc32",
    .elf_machine = kEmPpc,
    .word_bytes = 4,
    .endian = Endian::kBig,
    .prstatus = {.size = 268, .pid_offset = 24, .regs_offset = 72, .regs_size = 48 * 4},
    .registers = kRegisters,
    .pc_register = "nip",
    .sp_register = "r1",
    .fp_register = "",
    .translation_facts = ppc32::FactsFromNumbers,
    .translate = ppc32::Walk,
    .fixed_translation = ppc32::Lowmem,
    .visit_tables = nullptr,
    .stack_rules = nullptr,
};

}  // namespace

const Arch& Ppc32Arch() { return kArch; }

}  // namespace hmem::arch
