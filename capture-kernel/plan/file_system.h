// SPDX-License-Identifier: GPL-2.0-or-later
// Which file system a block device holds, from its superblock. Only the ones a dump can be written
// to are known. Source: Linux fs/ext4/ext4.h (struct ext4_super_block), fs/xfs/libxfs/xfs_format.h
// (struct xfs_dsb).
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "hmem/base/result.h"

namespace hmem::plan {

struct FileSystemId {
  std::string type;  // "ext4" or "xfs", as mount(2) takes it
  std::string uuid;  // 8-4-4-4-12, lower case

  bool operator==(const FileSystemId&) const = default;
};

// What IdentifyFileSystem needs to see of the beginning of a device.
constexpr size_t kFileSystemProbeBytes = 4096;

// kNotFound: neither ext4 nor xfs. kTruncated: fewer bytes than a superblock has.
Result<FileSystemId> IdentifyFileSystem(std::span<const std::byte> start_of_device);

// The same for a device node or image. kIo; errors name `path`.
Result<FileSystemId> IdentifyFileSystemOn(const std::string& path);

}  // namespace hmem::plan
