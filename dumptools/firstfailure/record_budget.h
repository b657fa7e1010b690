// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps a record under its size: what is dropped, and in what order.
#pragma once

#include <cstddef>

#include "hmem/base/findings.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

// Drops pieces of `record` until it, with `findings` still to be added, has at most max_bytes. In
// order: stacks of blocked tasks from the last, log records from the oldest (4 KiB stay),
// stacks and registers of CPUs that did not crash, modules from the last, first-failure records
// from the last, whatever is left of the log, then CPUs that did not crash. Each step adds one
// finding.
void FitRecord(size_t max_bytes, v1::FirstFailure& record, Findings& findings);

}  // namespace hmem::firstfailure
