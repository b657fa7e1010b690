// SPDX-License-Identifier: GPL-2.0-or-later
// Faults that tests inject through HMEM_FAULT in the environment. Two implementations, chosen when
// a program is linked: no_fault.cc for what is installed, fault.cc for the target "faults" of
// preset capture. What is installed always returns from all.
#pragma once

#include <string_view>

namespace hmem::dump {

// abort, hang, hog: once the work has come so far.
void ObeyFault();

// device-abort, vmcore-abort: once a source of that format is open.
void ObeyFaultOfSource(std::string_view format);

// build-abort: before a record is built, by whichever stage builds one.
void ObeyFaultInRecord();

}  // namespace hmem::dump
