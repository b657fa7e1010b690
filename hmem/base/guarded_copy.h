// SPDX-License-Identifier: GPL-2.0-or-later
// Copies out of mapped memory that may turn out not to be readable: a memory error in a page of
// /proc/vmcore, and a page behind the end of a file that was cut, both arrive as SIGBUS.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace hmem {

// Copies `from` to the start of `to`, which is at least as long. Nothing when all of it was copied;
// otherwise where in `from` the first fault was met, and then `to` holds no more than parts of it.
// Safe from several threads. The first call installs a handler of SIGBUS for the process; a SIGBUS
// that no copy caused has its default action.
[[nodiscard]] std::optional<size_t> GuardedCopy(std::span<std::byte> to,
                                                std::span<const std::byte> from);

}  // namespace hmem
