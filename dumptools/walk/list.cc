// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/list.h"

#include <fmt/format.h>

#include <optional>

namespace hmem::walk {
namespace {

enum class End { kStop, kLimit, kCycle, kUnreadable };

struct Shape {
  size_t entries = 0;  // distinct list_heads behind the head
  End end = End::kStop;
  VirtAddr at{};  // where it went wrong
  std::optional<Error> error{};
};

// One direction of a list: along `next` (offset 0) or `prev` (one word), from the head until
// `stop`.
class Chain {
 public:
  Chain(const VirtReader& memory, VirtAddr head, uint64_t link_offset, VirtAddr stop)
      : memory_(memory), head_(head), link_offset_(link_offset), stop_(stop) {}

  Result<VirtAddr> Next(VirtAddr entry) const { return memory_.Pointer(entry + link_offset_); }

  // Brent's algorithm over the links alone, before anything is visited: no entry is visited twice.
  Shape Measure(size_t max_entries) const {
    VirtAddr mark = head_, at = head_;
    size_t power = 1, length = 0;
    for (size_t entries = 0;; ++entries) {
      Result<VirtAddr> next = Next(at);
      if (!next) {
        // An entry that cannot be read is none.
        return Shape{.entries = entries == 0 ? 0 : entries - 1,
                     .end = End::kUnreadable,
                     .at = at,
                     .error = std::move(next).error()};
      }
      if (*next == stop_ || *next == head_) return Shape{.entries = entries};
      at = *next;
      ++length;
      if (at == mark) return MeasureCycle(length);
      if (entries == max_entries) return Shape{.entries = entries, .end = End::kLimit, .at = at};
      if (length == power) {
        mark = at;
        power *= 2;
        length = 0;
      }
    }
  }

 private:
  // A cycle of `length` entries was met: how many entries lie before and in it. Every link was read
  // once already.
  Shape MeasureCycle(size_t length) const {
    VirtAddr ahead = head_, behind = head_;
    auto step = [&](VirtAddr& at) {
      Result<VirtAddr> next = Next(at);
      if (next) at = *next;
      return next.has_value();
    };
    for (size_t i = 0; i < length; ++i) {
      if (!step(ahead)) return Shape{.entries = i, .end = End::kCycle, .at = ahead};
    }
    size_t before = 0;
    while (ahead != behind) {
      if (!step(ahead) || !step(behind)) break;
      ++before;
    }
    // `before` counts the head, which is no entry and not in the cycle: the walk had ended there.
    return Shape{.entries = before - 1 + length, .end = End::kCycle, .at = behind};
  }

  const VirtReader& memory_;
  VirtAddr head_;
  uint64_t link_offset_;
  VirtAddr stop_;
};

}  // namespace

size_t ForEachListEntry(const VirtReader& memory, VirtAddr head, size_t max_entries,
                        std::string_view what, Findings& findings,
                        const std::function<bool(VirtAddr entry)>& visit) {
  Chain forward(memory, head, 0, head);
  Shape shape = forward.Measure(max_entries);
  VirtAddr at = head;
  size_t visited = 0;
  while (visited < shape.entries) {
    Result<VirtAddr> next = forward.Next(at);
    if (!next) break;
    at = *next;
    ++visited;
    if (!visit(at)) return visited;
  }
  std::string place = fmt::format("{} at {:#x}", what, head.value);
  if (shape.end == End::kStop) return visited;
  if (shape.end == End::kLimit) {
    findings.Add(
        Severity::kLoss, "walk.list.too-long", place,
        fmt::format("a list has more than {} entries; the rest is not shown", max_entries));
    return visited;
  }

  // Cut or looped. What lies behind the damage is still reached from the other end, as far as the
  // last entry seen.
  Chain backward(memory, head, static_cast<uint64_t>(memory.word_bytes()), at);
  size_t behind = backward.Measure(max_entries - visited).entries;
  if (shape.end == End::kCycle) {
    findings.Add(Severity::kLoss, "walk.list.loop",
                 fmt::format("{}: back to {:#x} after {} entries, {} more from its end", place,
                             shape.at.value, shape.entries, behind),
                 "a list loops without coming back to its head; entries may be lost");
  } else {
    findings.Add(Severity::kLoss, "walk.list.cut",
                 fmt::format("{}: after {} entries, {} more from its end: {}", place, shape.entries,
                             behind, shape.error->ToString()),
                 "a list pointer leads to memory that cannot be read; entries may be lost");
  }
  VirtAddr from = head;
  for (size_t i = 0; i < behind; ++i) {
    Result<VirtAddr> previous = backward.Next(from);
    if (!previous) break;
    from = *previous;
    ++visited;
    if (!visit(from)) break;
  }
  return visited;
}

}  // namespace hmem::walk
