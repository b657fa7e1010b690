// SPDX-License-Identifier: GPL-2.0-or-later
// A long table in virtual memory of which a dump may lack pages: what is there, and where nothing
// is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/result.h"
#include "hmem/base/virt_reader.h"

namespace hmem::space {

struct PartialRead {
  struct Hole {
    uint64_t start;  // offsets into `bytes`, half-open
    uint64_t end;
  };

  std::span<const std::byte> bytes;  // zero in the holes
  std::vector<Hole> holes;           // in order, never side by side
  std::optional<Error> error;        // why the first hole is one
  // What `bytes` shows; nothing where the memory lent it (VirtReader::Borrow).
  std::unique_ptr<const std::vector<std::byte>> owned;

  // How far one can read from `offset` on: up to the next hole, or to the end. `offset` itself when
  // it lies in a hole.
  uint64_t ReadableTo(uint64_t offset) const;
  // All n bytes from `offset` on are there.
  bool Covers(uint64_t offset, uint64_t n) const;
};

// Lent by `memory` where it can, which must then outlive the answer; else a copy, page by page
// where the whole cannot be read. The caller bounds `bytes`.
PartialRead ReadWithHoles(const VirtReader& memory, VirtAddr start, uint64_t bytes);

}  // namespace hmem::space
