// SPDX-License-Identifier: GPL-2.0-or-later
// ORC tables, code and stacks that are all the same input; the registers to start from are its last
// 40 bytes.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>

#include "arch/arch.h"
#include "dumptools/unwind/orc_unwinder.h"
#include "tests/fuzz/wrapping_memory.h"

namespace {

using namespace hmem;
using fuzz::WrappingMemory;

constexpr uint16_t kEmX86_64 = 62;
constexpr size_t kMaxFrames = 64;
constexpr std::array<std::string_view, 5> kStartRegisters = {"rip", "rsp", "rbp", "r10", "cs"};

void UnwindAll(const WrappingMemory& memory, unwind::OrcVersion version, uint64_t count,
               const unwind::Start& start) {
  unwind::OrcTable table{.name = "kernel",
                         .ip_table = WrappingMemory::kBase,
                         .entry_table = WrappingMemory::kBase + count * 4,
                         .count = count,
                         .code = {}};
  unwind::OrcTables tables(memory, version, table);
  table.name = "module";
  table.code = {{WrappingMemory::kBase, WrappingMemory::kBase + 4096}};
  tables.AddModule(table);
  static const arch::Arch& arch = **arch::FindArch(kEmX86_64, 8, Endian::kLittle);
  symbols::SymbolTable symbols;
  symbols.Add(0, "function", WrappingMemory::kBase, 0x10000, 't');
  symbols.Seal();
  auto unwinder = unwind::OrcUnwinder::Create(arch, memory, symbols, std::move(tables));
  if (!unwinder) std::abort();
  unwind::Stack stack = (*unwinder)->Unwind(start, {.max_frames = kMaxFrames});
  if (stack.frames.size() > kMaxFrames) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  WrappingMemory memory(std::span(data, size));
  std::span<const std::byte> bytes = std::as_bytes(std::span(memory.bytes()));
  (void)unwind::ProbeOrcVersion(bytes, Endian::kLittle);
  (void)unwind::OrcVersionOfHeader(bytes.first<unwind::kOrcHeaderBytes>());

  const arch::Arch& arch = **arch::FindArch(kEmX86_64, 8, Endian::kLittle);
  unwind::Start start{.registers = space::RegisterSet::Empty(arch), .exact = (size & 1) != 0};
  std::span<const std::byte> values = bytes.last(kStartRegisters.size() * 8);
  for (size_t i = 0; i < kStartRegisters.size(); ++i) {
    start.registers.Set(arch, kStartRegisters[i],
                        Load<uint64_t>(values.data() + i * 8, Endian::kLittle));
  }
  const uint64_t count = std::clamp<uint64_t>(bytes.size() / 10, 1, 1024);
  for (auto version : {unwind::OrcVersion::k1, unwind::OrcVersion::k2, unwind::OrcVersion::k3,
                       unwind::OrcVersion::k4}) {
    UnwindAll(memory, version, count, start);
  }
  return 0;
}
