// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/space/utsname.h"

#include <fmt/format.h>

namespace hmem::space {
namespace {

Result<Utsname> ReadAt(const VirtReader& memory, VirtAddr at) {
  Utsname names;
  for (std::string& field : names.fields) {
    HMEM_ASSIGN(field, memory.Text(at, Utsname::kFieldBytes));
    at = at + Utsname::kFieldBytes;
  }
  return names;
}

}  // namespace

Result<Utsname> ReadUtsname(const VirtReader& memory, VirtAddr at, const Vmcoreinfo& vmcoreinfo) {
  std::optional<std::string_view> release = vmcoreinfo.Text("OSRELEASE");
  // struct uts_namespace began with a kref before 5.11, and the offset was not exported.
  std::optional<uint64_t> offset = vmcoreinfo.Offset("uts_namespace.name");
  for (uint64_t name_offset : {offset.value_or(0), offset.value_or(4)}) {
    HMEM_ASSIGN(Utsname names, Within("init_uts_ns", ReadAt(memory, at + name_offset)));
    if (!release || names.release() == *release) return names;
  }
  return Fail(
      ErrorCode::kCorrupt,
      fmt::format("init_uts_ns at virt {:#x} does not hold the release {}", at.value, *release));
}

}  // namespace hmem::space
