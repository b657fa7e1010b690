// SPDX-License-Identifier: GPL-2.0-or-later
// Faults that tests inject: HMEM_FAULT=abort|hang|hog in the environment, in builds made for that
// only.
#pragma once

namespace hmem::dump {

#ifdef HMEM_FAULT_INJECTION
// Does what the environment asks for, once the work has come so far. Returns when it asks for
// nothing.
void ObeyFault();
#else
inline void ObeyFault() {}
#endif

}  // namespace hmem::dump
