// SPDX-License-Identifier: GPL-2.0-or-later
// Reads what a batch is planned to hold and tells what became of each page: kept, zero, left out,
// unreadable.
#pragma once

#include <span>
#include <string>

#include "dumptools/capture/pipeline/page_batch.h"
#include "hmem/base/findings.h"
#include "hmem/source/memory_source.h"

namespace hmem::capture {

// Never fails: what cannot be read gets a fate. `keep_zero`: zero pages are kept like others.
void ReadPages(const source::MemorySource& source, bool keep_zero, PageBatch& batch);

// What a dump says of pages that `error` kept from being read.
PageBatch::PlannedRun FateOfUnreadable(const Error& error, PfnRange pages, Findings& findings);

// "pfn 0x10 to 0x20"
std::string PlaceOf(PfnRange pages);

// True when all bytes are zero.
bool IsZero(std::span<const std::byte> bytes);

}  // namespace hmem::capture
