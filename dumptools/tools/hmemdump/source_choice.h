// SPDX-License-Identifier: GPL-2.0-or-later
// The memory that is to be saved when no SOURCE was named: in a capture kernel there are two ways
// to it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::dump {

// The best first: /dev/hmem, /proc/vmcore.
std::span<const std::string> SourcePlaces();

// The first of `places` that opens. `say` is told of one that is there and does not, and what is
// read instead. kNotFound: none is there; else the error of the last one.
Result<std::unique_ptr<source::MemorySource>> OpenFirst(
    std::span<const std::string> places, const std::function<void(std::string_view)>& say);

}  // namespace hmem::dump
