// SPDX-License-Identifier: GPL-2.0-or-later
// Faults that tests inject. Two implementations, chosen when a program is linked: no_fault.cc for
// what is installed, fault.cc for the target "faults" of preset capture.
#pragma once

namespace hmem::dump {

// Does what HMEM_FAULT=abort|hang|hog in the environment asks for, once the work has come so far.
// Returns when it asks for nothing; always returns in what is installed.
void ObeyFault();

}  // namespace hmem::dump
