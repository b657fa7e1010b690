// SPDX-License-Identifier: GPL-2.0-or-later
// CRC-32C (Castagnoli, reflected, polynomial 0x1edc6f41), as in iSCSI (RFC 3720). For headers of a
// few bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hmem::format {

uint32_t Crc32c(std::span<const std::byte> bytes);

}  // namespace hmem::format
