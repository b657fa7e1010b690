// SPDX-License-Identifier: GPL-2.0-or-later
// Whether a block device may be written over: what lies on it. libblkid knows the signatures of
// file systems, partition tables, LUKS, LVM, RAID and swap; what it does not know is told from a
// blank device by its first bytes.
#pragma once

#include <cstddef>
#include <string>

#include "hmem/base/result.h"

namespace hmem::device {

struct DeviceContent {
  enum class Kind {
    kBlank,     // no signature, and the first kBlankBytes are zero
    kHmemDump,  // begins with the HEADER frame of an .hmem dump
    kKnown,     // `what` says which: "ext4", "gpt partition table", "LVM2_member"
    kUnknown,   // no signature, but not blank
  };
  Kind kind = Kind::kBlank;
  std::string what;

  // "a signature of ext4", "an .hmem dump", "data of an unknown kind"; empty when blank.
  std::string Describe() const;
};

constexpr size_t kBlankBytes = 1 << 20;

// `fd` is a block device or an image of one, open for reading; errors name `path`. kIo.
Result<DeviceContent> ReadDeviceContent(int fd, const std::string& path);

// The commands that make the device blank: "wipefs -a /dev/vdb && dd if=/dev/zero ...".
std::string BlankingCommands(const std::string& path);

}  // namespace hmem::device
