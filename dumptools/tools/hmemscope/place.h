// SPDX-License-Identifier: GPL-2.0-or-later
// A place in the kernel as people write it: an address, a symbol, a symbol and an offset.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "dumptools/symbols/symbol_table.h"
#include "hmem/base/result.h"

namespace hmem::hmemscope {

// "0xffffffff81000000", or 16 hexadecimal digits.
std::optional<uint64_t> ParseAddress(std::string_view word);

struct Place {
  VirtAddr address;
  std::optional<symbols::Symbol> symbol;  // when it was named
};

// An address, "name", or "name+0x1b". kNotFound names the symbol; kInvalidArgument: no such offset.
Result<Place> FindPlace(const symbols::SymbolTable& symbols, std::string_view word);

}  // namespace hmem::hmemscope
