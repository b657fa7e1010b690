// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace hmem::dump {

inline constexpr int kExitComplete = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitLosses = 3;

}  // namespace hmem::dump
