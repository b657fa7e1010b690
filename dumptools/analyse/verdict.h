// SPDX-License-Identifier: GPL-2.0-or-later
// The record in a sentence, and what to look at next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hmem/v1/first_failure.pb.h"

namespace hmem::analyse {

// "bad pointer", "soft lockup"; "failure of unknown kind" for what the evidence does not tell.
std::string_view KindWords(v1::Cause::Kind kind);

// The crashed CPU and its task only came upon the failure of another: a hung task, a CPU that no
// longer answered.
bool FoundByAnother(const v1::FirstFailure& failure);

// One line: what, where, in which module, who, on which CPU.
std::string Verdict(const v1::FirstFailure& failure);

// The most promising first; empty when the record suggests nothing beyond itself.
std::vector<std::string> WhereToLook(const v1::FirstFailure& failure);

}  // namespace hmem::analyse
