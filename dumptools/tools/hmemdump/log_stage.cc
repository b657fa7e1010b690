// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/log_stage.h"

#include <fmt/format.h>

#include <ranges>

#include "arch/arch.h"
#include "hmem/space/address_space.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::dump {

Result<std::vector<walk::LogRecord>> ReadKernelLog(const source::MemorySource& source,
                                                   Findings& findings) {
  HMEM_ASSIGN(const arch::Arch* arch,
              arch::FindArch(source.elf_machine(), source.word_bytes(), source.endian()));
  HMEM_ASSIGN(space::Vmcoreinfo vmcoreinfo, space::Vmcoreinfo::FromSource(source, findings));
  HMEM_ASSIGN(space::AddressSpace memory,
              space::AddressSpace::Create(source, *arch, vmcoreinfo, findings));
  return walk::ReadLog(memory, vmcoreinfo, findings);
}

std::string LogText(std::span<const walk::LogRecord> log, uint64_t max_bytes) {
  std::vector<std::string> newest_first;
  uint64_t bytes = 0;
  for (const walk::LogRecord& record : std::views::reverse(log)) {
    if (bytes >= max_bytes) break;
    newest_first.push_back(fmt::format("[{:5}.{:06}] {}\n", record.time_ns / 1'000'000'000,
                                       record.time_ns / 1000 % 1'000'000, record.text));
    bytes += newest_first.back().size();
  }
  std::string text;
  text.reserve(bytes);
  for (const std::string& lines : std::views::reverse(newest_first)) text += lines;
  if (text.size() > max_bytes) {
    // From the byte before: a line that begins right at the cut is whole.
    size_t cut = text.size() - max_bytes;
    text.erase(0, text.find('\n', cut - 1) + 1);
  }
  return text;
}

}  // namespace hmem::dump
