// SPDX-License-Identifier: GPL-2.0-or-later
// The old kernel's memory through /dev/hmem (hmem/uapi/hmem.h). What the driver answers is checked
// like any dump: a driver may be broken, too.
//
// Small reads go by HMEM_READV through a cache of pages. Large ones go by HMEM_READV or through
// mapped windows, whichever was faster over some MiB of this very memory, once so much is read that
// asking pays. Where copies of the driver are not safe against memory errors everything goes
// through mappings, pages of small reads included. A page that could not be read is not touched
// again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "hmem/base/result.h"
#include "hmem/source/hmem_device.h"
#include "hmem/source/memory_source.h"

namespace hmem::source {

struct DeviceOptions {
  uint64_t map_window_bytes = OpenOptions().map_window_bytes;
  // Monotonic nanoseconds, by which the two ways are compared; the machine's clock without it.
  std::function<uint64_t()> clock;
};

// kUnsupported: not such a device, or one whose driver cannot read this machine's memory safely
// (HMEM_STATE_UNSAFE_HOLES): /proc/vmcore can. kCorrupt, kLimit: what it says of itself cannot be.
Result<std::unique_ptr<MemorySource>> OpenDeviceSource(std::unique_ptr<HmemDevice> device,
                                                       DeviceOptions options);

}  // namespace hmem::source
