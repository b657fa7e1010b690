// SPDX-License-Identifier: GPL-2.0-or-later
// Files in /run/hmem that remember until the next boot what was loaded, and the shape of their
// JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::arm {

// The order of keys is kept: people read it too.
using Json = nlohmann::ordered_json;

// Indented, with a newline at its end. Paths and command lines are bytes; what is not UTF-8 is
// replaced.
std::string JsonText(const Json& json);

// Written to a temporary name and renamed. kIo.
Status SaveStateFile(const loader::Host& host, std::string_view path, const Json& json);
// kIo; kCorrupt: not a JSON object.
Result<Json> ReadStateFile(const loader::Host& host, std::string_view path);
// One that is not there is fine. kIo.
Status RemoveStateFile(const loader::Host& host, std::string_view path);

// Of a key that is there and has that type; empty and 0 otherwise.
std::string TextOf(const Json& json, const char* key);
int64_t NumberOf(const Json& json, const char* key);

// "2026-11-25T14:30:00Z"
std::string UtcText(int64_t unix_s);

}  // namespace hmem::arm
