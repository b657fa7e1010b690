// SPDX-License-Identifier: GPL-2.0-or-later
// The system calls of /dev/hmem, as hmem/uapi/hmem.h has them. Apart from what is made of their
// answers, so that tests can answer in the driver's place.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "hmem/base/address.h"
#include "hmem/base/file_mapping.h"
#include "hmem/base/result.h"
#include "hmem/uapi/hmem.h"

namespace hmem::source {

// Safe from several threads.
class HmemDevice {
 public:
  virtual ~HmemDevice() = default;

  virtual const std::string& path() const = 0;
  // ioctl(2) of that name: 0, or an errno value.
  virtual int Info(hmem_info& info) const = 0;
  virtual int Regions(hmem_regions& request) const = 0;
  virtual int Notes(hmem_notes& request) const = 0;
  virtual int ReadV(hmem_readv& request) const = 0;
  // Read-only and shared. Touching what cannot be read is SIGBUS. kIo.
  virtual Result<FileMapping> Map(PhysAddr start, size_t bytes) const = 0;
};

// kIo with errno, kUnsupported: not a character device.
Result<std::unique_ptr<HmemDevice>> OpenHmemDevice(const std::string& path);

}  // namespace hmem::source
