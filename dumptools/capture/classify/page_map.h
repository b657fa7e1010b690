// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that classifying needs of a crashed kernel, opened.
#pragma once

#include <memory>
#include <optional>

#include "dumptools/capture/classify/page_layout.h"
#include "dumptools/types/type_db.h"
#include "dumptools/walk/memmap.h"
#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"
#include "hmem/space/address_space.h"

namespace hmem::capture {

class PageMap {
 public:
  // `types` may be absent and need not outlive the call; `source` must outlive the map.
  // kNotFound: no VMCOREINFO. kMissingDebugInfo: it lacks what classifying needs.
  static Result<std::unique_ptr<PageMap>> Open(const source::MemorySource& source,
                                               const types::TypeDb* types, Findings& findings);

  const walk::MemMap& map() const { return *map_; }
  const PageLayout& layout() const { return layout_; }

 private:
  PageMap() = default;

  std::optional<space::AddressSpace> memory_;
  std::optional<walk::MemMap> map_;
  PageLayout layout_;
};

}  // namespace hmem::capture
