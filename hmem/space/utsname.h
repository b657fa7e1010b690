// SPDX-License-Identifier: GPL-2.0-or-later
// What uname(2) said on the crashed machine: struct new_utsname in init_uts_ns
// (include/uapi/linux/utsname.h). Needs no types: its layout has never changed.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "hmem/base/result.h"
#include "hmem/base/virt_reader.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::space {

struct Utsname {
  static constexpr size_t kFieldBytes = 65;  // __NEW_UTS_LEN + 1

  // sysname, nodename, release, version, machine, domainname
  std::array<std::string, 6> fields;

  std::string& release() { return fields[2]; }
  const std::string& release() const { return fields[2]; }
  const std::string& machine() const { return fields[4]; }
};

// `at`: address of init_uts_ns. Where VMCOREINFO has OSRELEASE, the release must be that: kCorrupt
// otherwise. Errors of `memory` name init_uts_ns.
Result<Utsname> ReadUtsname(const VirtReader& memory, VirtAddr at, const Vmcoreinfo& vmcoreinfo);

}  // namespace hmem::space
