// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/file_notes.h"

#include <elf.h>
#include <fmt/format.h>

#include "dumptools/walk/cpu_masks.h"

namespace hmem::walk {

bool IsPrstatus(const format::Note& note) {
  return note.type == NT_PRSTATUS && note.name == "CORE";
}

std::vector<space::CpuNote> ReadFileNotes(const source::MemorySource& source,
                                          const arch::Arch& arch, Findings& findings) {
  std::vector<space::CpuNote> notes;
  size_t number = 0;
  for (const source::Note& note : source.notes()) {
    if (!IsPrstatus(note) || number >= kMaxCpus) continue;
    Result<space::CpuNote> decoded = space::DecodePrstatus(arch, note.desc);
    if (decoded) {
      notes.push_back(*std::move(decoded));
    } else {
      findings.Add(Severity::kLoss, "walk.file-notes.bad",
                   fmt::format("CPU note {}: {}", number, decoded.error().ToString()),
                   "a CPU note of the file does not decode");
    }
    ++number;
  }
  return notes;
}

}  // namespace hmem::walk
