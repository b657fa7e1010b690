// SPDX-License-Identifier: GPL-2.0-or-later
// Who crashed: what arming wrote into the initramfs, and the crash id made from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hmem/base/findings.h"
#include "hmem/base/result.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

// What kdump-arm knew when it armed. Empty: not told.
struct ArmIdentity {
  std::string host_id;
  std::string arm_id;
  std::vector<std::pair<std::string, std::string>> labels;  // at most 64
  // Milestones of the capture before this program was started, and the capture kernel's uptime in
  // nanoseconds; at most 64. hmem-init adds them.
  std::vector<std::pair<std::string, uint64_t>> timeline;
};

// `key=value` lines: host_id, arm_id, label.<key>, timeline.<event>=<nanoseconds>. Blank lines and
// '#' comments are skipped; a line that is neither becomes a finding. Values are made safe UTF-8,
// at most 1024 bytes.
ArmIdentity ParseIdentity(std::string_view text, Findings& findings);
// The same from a file of at most 64 KiB. kIo, kLimit.
Result<ArmIdentity> ReadIdentityFile(const std::string& path, Findings& findings);

// 32 hex digits: the first 16 bytes of SHA-256.
std::string ShortHash(std::string_view input);

// 32 hex digits: the first 16 bytes of SHA-256 over host id, boot id, crash time (Unix seconds,
// decimal) and arm id, each followed by a NUL. The same crash gives the same id whoever computes
// it. Empty when all four are unknown.
std::string CrashId(std::string_view host_id, std::string_view boot_id, int64_t crash_time_s,
                    std::string_view arm_id);

// Both are of one crash, as far as release, crash time and KASLR offset tell; never when the crash
// time is not known.
bool SameCrash(const v1::FirstFailure& a, const v1::FirstFailure& b);

}  // namespace hmem::firstfailure
