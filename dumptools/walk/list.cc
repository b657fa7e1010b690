// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/list.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace hmem::walk {
namespace {

enum class End { kHead, kLimit, kCycle, kUnreadable };

struct Shape {
  size_t entries = 0;  // distinct list_heads behind the head
  End end = End::kHead;
  VirtAddr at;  // where it went wrong
  std::optional<Error> error;
};

Shape Unreadable(size_t entries, VirtAddr at, Error error) {
  return Shape{.entries = entries, .end = End::kUnreadable, .at = at, .error = std::move(error)};
}

// The cycle of `length` entries was met: how many entries lie before and in it.
Shape MeasureCycle(const VirtReader& memory, VirtAddr head, size_t length) {
  VirtAddr ahead = head, behind = head;
  for (size_t i = 0; i < length; ++i) {
    Result<VirtAddr> next = memory.Pointer(ahead);
    if (!next) return Unreadable(i, ahead, std::move(next).error());
    ahead = *next;
  }
  size_t before = 0;
  while (ahead != behind) {
    Result<VirtAddr> next = memory.Pointer(ahead);
    if (!next) return Unreadable(before, ahead, std::move(next).error());
    ahead = *next;
    next = memory.Pointer(behind);
    if (!next) return Unreadable(before, behind, std::move(next).error());
    behind = *next;
    ++before;
  }
  // `before` counts the head, which is not an entry; the head itself is not in the cycle or the
  // walk had ended there.
  return Shape{.entries = before - 1 + length, .end = End::kCycle, .at = behind};
}

// Brent's algorithm over the next pointers alone, before anything is visited: no entry is ever
// visited twice.
Shape Measure(const VirtReader& memory, VirtAddr head, size_t max_entries) {
  VirtAddr mark = head, at = head;
  size_t power = 1, length = 0;
  for (size_t entries = 0;; ++entries) {
    Result<VirtAddr> next = memory.Pointer(at);
    if (!next) {
      // An entry that cannot be read is none.
      return Unreadable(entries == 0 ? 0 : entries - 1, at, std::move(next).error());
    }
    if (*next == head) return Shape{.entries = entries};
    at = *next;
    ++length;
    if (at == mark) return MeasureCycle(memory, head, length);
    if (entries == max_entries) return Shape{.entries = entries, .end = End::kLimit, .at = at};
    if (length == power) {
      mark = at;
      power *= 2;
      length = 0;
    }
  }
}

}  // namespace

size_t ForEachListEntry(const VirtReader& memory, VirtAddr head, size_t max_entries,
                        std::string_view what, Findings& findings,
                        const std::function<bool(VirtAddr entry)>& visit) {
  Shape shape = Measure(memory, head, max_entries);
  std::string place = fmt::format("{} at {:#x}", what, head.value);
  switch (shape.end) {
    case End::kHead:
      break;
    case End::kLimit:
      findings.Add(
          Severity::kLoss, "walk.list.too-long", place,
          fmt::format("a list has more than {} entries; the rest is not shown", max_entries));
      break;
    case End::kCycle:
      findings.Add(
          Severity::kLoss, "walk.list.loop",
          fmt::format("{}: back to {:#x} after {} entries", place, shape.at.value, shape.entries),
          "a list loops without coming back to its head; entries behind the damage are lost");
      break;
    case End::kUnreadable:
      findings.Add(
          Severity::kLoss, "walk.list.cut",
          fmt::format("{}: after {} entries: {}", place, shape.entries, shape.error->ToString()),
          "a list pointer leads to memory that cannot be read; entries behind it are lost");
      break;
  }
  VirtAddr at = head;
  for (size_t visited = 0; visited < shape.entries; ++visited) {
    Result<VirtAddr> next = memory.Pointer(at);
    if (!next) return visited;
    at = *next;
    if (!visit(at)) return visited + 1;
  }
  return shape.entries;
}

}  // namespace hmem::walk
