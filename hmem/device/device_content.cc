// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/device/device_content.h"

#include <blkid/blkid.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <vector>

#include "hmem/base/fd.h"
#include "hmem/format/hmem_frame.h"

namespace hmem::device {
namespace {

using ProbeOwner = std::unique_ptr<std::remove_pointer_t<blkid_probe>, decltype(&blkid_free_probe)>;

std::string ValueOf(blkid_probe probe, const char* name) {
  const char* value = nullptr;
  return blkid_probe_lookup_value(probe, name, &value, nullptr) == 0 ? value : "";
}

// The first signature; empty when there is none.
Result<std::string> FirstSignature(int fd, const std::string& path) {
  ProbeOwner probe(blkid_new_probe(), &blkid_free_probe);
  if (!probe) return FailErrno(path, ENOMEM);
  errno = 0;
  if (blkid_probe_set_device(probe.get(), fd, 0, 0) != 0)
    return FailErrno(path, errno != 0 ? errno : EIO);
  // Damaged ones count too: a wrong checksum is no leave to overwrite.
  blkid_probe_enable_superblocks(probe.get(), 1);
  blkid_probe_set_superblocks_flags(probe.get(),
                                    BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
  blkid_probe_enable_partitions(probe.get(), 1);
  blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
  errno = 0;
  int status = blkid_do_probe(probe.get());
  if (status < 0) return FailErrno(path, errno != 0 ? errno : EIO);
  if (status > 0) return std::string();
  if (std::string type = ValueOf(probe.get(), "TYPE"); !type.empty()) return type;
  return fmt::format("{} partition table", ValueOf(probe.get(), "PTTYPE"));
}

bool BeginsWithHeaderFrame(std::span<const std::byte> start) {
  auto header = format::DecodeFrameHeader(start);
  return header && header->type == format::FrameType::kHeader;
}

}  // namespace

std::string DeviceContent::Describe() const {
  switch (kind) {
    case Kind::kBlank:
      return "";
    case Kind::kHmemDump:
      return "an .hmem dump";
    case Kind::kKnown:
      return fmt::format("a signature of {}", what);
    case Kind::kUnknown:
      return "data of an unknown kind";
  }
  return "";
}

// The signatures come first: a dump's first frame can outlive a later md or LVM label behind it.
Result<DeviceContent> ReadDeviceContent(int fd, const std::string& path) {
  HMEM_ASSIGN(std::string signature, FirstSignature(fd, path));
  if (!signature.empty()) return DeviceContent{DeviceContent::Kind::kKnown, std::move(signature)};
  std::vector<std::byte> start(kBlankBytes);
  HMEM_ASSIGN(size_t got, PreadSome(fd, start, 0, path));
  start.resize(got);
  if (BeginsWithHeaderFrame(start)) return DeviceContent{DeviceContent::Kind::kHmemDump, ""};
  bool blank =
      std::all_of(start.begin(), start.end(), [](std::byte b) { return b == std::byte{}; });
  return DeviceContent{blank ? DeviceContent::Kind::kBlank : DeviceContent::Kind::kUnknown, ""};
}

std::string BlankingCommands(const std::string& path) {
  return fmt::format("wipefs -a {0} && dd if=/dev/zero of={0} bs=1M count=1 conv=notrunc,fsync",
                     path);
}

}  // namespace hmem::device
