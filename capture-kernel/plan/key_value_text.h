// SPDX-License-Identifier: GPL-2.0-or-later
// "key = value" lines, as in kdump-arm.conf, init.conf and identity.conf. '#' starts a comment at
// the beginning of a line; blanks around key and value are dropped; a key may come more than once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/result.h"

namespace hmem::plan {

struct KeyValue {
  int line = 0;  // from 1
  std::string key;
  std::string value;
};

// kInvalidArgument naming `name` and the line: no '=', an empty key, a control character. kLimit
// past 1000 entries.
Result<std::vector<KeyValue>> ParseKeyValueText(std::string_view text, std::string_view name);

// The error of one entry: "<name>: line 7: <text>".
Error EntryError(std::string_view name, const KeyValue& entry, std::string_view text);

// A decimal number from `min` to `max`, nothing around it. kInvalidArgument naming the word and the
// range.
Result<uint64_t> ParseNumber(std::string_view word, uint64_t min, uint64_t max);

}  // namespace hmem::plan
