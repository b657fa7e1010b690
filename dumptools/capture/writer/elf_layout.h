// SPDX-License-Identifier: GPL-2.0-or-later
// Which RAM goes into which PT_LOAD of an ELF core, and where its bytes lie in the file. Pages that
// are left out take no room where enough of them follow each other: the segment before them ends in
// memory without file bytes (p_filesz < p_memsz), as with makedumpfile -E. Shorter gaps stay in the
// file, as holes. Holds one piece, whatever the machine's size.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "hmem/base/address.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

// A PT_LOAD of RAM.
struct ElfPiece {
  PhysRange memory;
  uint64_t offset = 0;      // of the file
  uint64_t file_bytes = 0;  // at most memory.size()
};

class ElfLayout {
 public:
  using Emit = std::function<Status(const ElfPiece&)>;

  // The first piece's bytes lie at `offset`. So many pages in a row that are left out end a piece.
  // `emit` is given the pieces in address order: all of RAM is in one of them.
  ElfLayout(const source::MemorySource& source, uint64_t offset, uint64_t gap_pages, Emit emit)
      : source_(source),
        gap_bytes_(gap_pages * source.page_bytes()),
        emit_(std::move(emit)),
        end_(offset) {}

  // Pages that are in the file, ascending, each run in one range of RAM: where the first one is.
  Result<uint64_t> Place(PfnRange pages);
  // What is left of RAM.
  Status Finish();

  // Behind the last page placed.
  uint64_t end() const { return end_; }
  // Pages left out that are in the file all the same.
  uint64_t pages_in_gaps() const { return pages_in_gaps_; }

 private:
  Status EndPiece(PhysAddr memory_end);
  // Up to the range of RAM that holds `addr`.
  Status GoTo(PhysAddr addr);

  const source::MemorySource& source_;
  uint64_t gap_bytes_;
  Emit emit_;
  size_t range_ = 0;
  std::optional<PhysAddr> start_;  // of the open piece; none: nothing of the range was placed
  PhysAddr data_end_;              // of the open piece
  uint64_t end_;
  uint64_t pages_in_gaps_ = 0;
};

}  // namespace hmem::capture
