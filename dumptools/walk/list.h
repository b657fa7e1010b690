// SPDX-License-Identifier: GPL-2.0-or-later
// struct list_head, walked so that a looped, cut or garbage list ends with what was read and a
// finding.
#pragma once

#include <functional>
#include <string_view>

#include "hmem/base/address.h"
#include "hmem/base/findings.h"
#include "hmem/base/virt_reader.h"

namespace hmem::walk {

// Calls `visit` with the address of each list_head behind `head` until it returns false, the list
// is back at its head, `max_entries` were seen, a pointer was seen before or leads to memory that
// cannot be read. The last three add a finding that names `what`. The list is measured first
// (Brent's cycle detection, constant memory), so no entry is visited twice on the way. A list that
// is damaged is then walked from its other end too, through `prev`, up to the last entry seen:
// these come in reverse order, and after a second damage may hold one seen before.
// Returns how many were visited.
size_t ForEachListEntry(const VirtReader& memory, VirtAddr head, size_t max_entries,
                        std::string_view what, Findings& findings,
                        const std::function<bool(VirtAddr entry)>& visit);

}  // namespace hmem::walk
