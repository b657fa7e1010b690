// SPDX-License-Identifier: GPL-2.0-or-later
// Notes that were read must come back the same from what they are written as.
#include <cstdlib>
#include <span>

#include "hmem/format/elf_note.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using hmem::format::Note;
  for (hmem::Endian endian : {hmem::Endian::kLittle, hmem::Endian::kBig}) {
    std::vector<Note> notes;
    (void)hmem::format::AppendNotes(std::as_bytes(std::span(data, size)), endian, 0, notes);
    // A note without name, type and descriptor is the end mark, once it is written; one with a name
    // never is.
    auto again = hmem::format::ParseNotes(hmem::format::SerializeNotes(notes, endian), endian);
    if (!again || again->size() != notes.size()) std::abort();
    for (size_t i = 0; i < notes.size(); ++i) {
      const Note& a = notes[i];
      const Note& b = (*again)[i];
      if (a.name != b.name || a.type != b.type || a.desc != b.desc) std::abort();
    }
  }
  return 0;
}
