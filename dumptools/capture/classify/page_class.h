// SPDX-License-Identifier: GPL-2.0-or-later
// What a page was to the crashed kernel. docs/classification.md says by which rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hmem::capture {

// The numbers are those that FATE frames give excluded pages (DumpHeader.excluded_classes): they
// only grow.
enum class PageClass : uint8_t {
  kFilteredBefore = 0,  // the source was itself made without it
  kZero = 1,            // all bytes are zero: known once it was read
  kUnknown = 2,         // no struct page to be had for it
  kFree = 3,            // in the buddy allocator, or not yet accepted from the hypervisor
  kCache = 4,           // page cache, tmpfs, swap cache: not anonymous, no private data
  kPrivateCache = 5,    // the same with private data (buffers of a file system)
  kAnonymous = 6,       // user memory that no file stands behind; KSM
  kHugetlb = 7,
  kSlab = 8,
  kPageTable = 9,
  kOffline = 10,   // not there: ballooned away, or memory that was taken offline
  kPoisoned = 11,  // it had a memory error and is never touched
  kKernel = 12,    // everything else: text, stacks, modules, drivers, per-CPU lists of free pages
};
inline constexpr int kPageClasses = 13;

// "free", "private-cache", "page-table": what --exclude takes and HEADER lists.
std::string_view PageClassName(PageClass page_class);
std::optional<PageClass> FindPageClass(std::string_view name);

}  // namespace hmem::capture
