// SPDX-License-Identifier: GPL-2.0-or-later
// The JSON form of a message, made from its serialised bytes and the descriptors that the build
// embeds: generated code is lite and knows no field names. Proto names are kept (snake_case),
// defaults are printed, 64-bit numbers are strings.
#pragma once

#include <string>
#include <string_view>

#include "hmem/base/result.h"

namespace hmem::report {

// `type`: full name of the message, "hmem.v1.LogReport". Ends with a newline. kInvalidArgument: no
// such message; kCorrupt: the bytes are not one.
Result<std::string> ToJson(std::string_view type, std::string_view serialized);

}  // namespace hmem::report
