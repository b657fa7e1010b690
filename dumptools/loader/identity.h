// SPDX-License-Identifier: GPL-2.0-or-later
// Who was armed, and when: what the capture side cannot find out from the dead kernel's memory.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::loader {

struct Identity {
  std::string host_id;  // 32 hexadecimal digits: keyed hash of /etc/machine-id; empty when the
                        // machine has none
  std::string arm_id;   // 32 random hexadecimal digits, new with every arming
  std::map<std::string, std::string> labels;
};

// The same machine-id gives the same host id everywhere; the machine-id cannot be had back from it.
// kInvalidArgument: not 32 hexadecimal digits.
Result<std::string> HostId(std::string_view machine_id);

Result<Identity> MakeIdentity(const Host& host, std::map<std::string, std::string> labels);

// identity.conf as hmemdump --identity reads it.
std::string FormatIdentity(const Identity& identity);

}  // namespace hmem::loader
