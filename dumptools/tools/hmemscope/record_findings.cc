// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemscope/record_findings.h"

#include <algorithm>
#include <array>

namespace hmem::hmemscope {
namespace {

// Findings whose id begins so are about a piece that only these verbs show; report and verify show
// all.
struct Piece {
  std::string_view prefix;
  std::array<std::string_view, 3> verbs;
};

constexpr Piece kPieces[] = {
    {"record.log.", {"log", "sys"}},
    {"walk.printk.", {"log", "sys"}},
    {"record.dropped.log", {"log"}},
    {"record.dropped.rest-of-log", {"log"}},
    {"record.modules.", {"mods"}},
    {"walk.modules.bad", {"mods"}},
    {"walk.modules.incomplete", {"mods"}},
    {"record.dropped.modules", {"mods"}},
    {"record.tasks.", {"ps", "sys"}},
    {"walk.tasks.", {"ps", "sys"}},
    {"record.blocked-task", {"bt", "ps"}},
    {"record.dropped.blocked-tasks", {"bt", "ps"}},
    {"record.crashed-cpu.", {"bt", "sys"}},
    {"record.cpus.", {"bt", "ps"}},
    {"walk.cpus.", {"bt", "ps"}},
    {"walk.file-notes.", {"bt"}},
    {"record.dropped.cpus", {"bt"}},
    {"record.dropped.rest-of-cpus", {"bt", "ps"}},
    {"unwind.", {"bt"}},
    {"walk.kernel.no-unwinder", {"bt"}},
    {"record.dropped.first-failure", {}},
    {"record.identity.", {"sys"}},
    {"record.no-identity", {"sys"}},
    {"record.crash-id.", {"sys"}},
    {"walk.system.", {"sys"}},
};

}  // namespace

bool ConcernsVerb(std::string_view finding_id, std::string_view verb) {
  if (verb == "report" || verb == "verify") return true;
  for (const Piece& piece : kPieces) {
    if (finding_id.starts_with(piece.prefix))
      return std::ranges::find(piece.verbs, verb) != piece.verbs.end();
  }
  return true;
}

}  // namespace hmem::hmemscope
