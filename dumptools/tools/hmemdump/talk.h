// SPDX-License-Identifier: GPL-2.0-or-later
// What is said on standard error. That nobody can be told is no failure of the dump: a standard
// error that is closed or full is passed over.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace hmem::dump {

// As it is.
void SayText(std::string_view text);

// One line, behind the program's name.
template <typename... Args>
void Say(fmt::format_string<Args...> format, Args&&... args) {
  SayText(fmt::format("hmemdump: {}\n", fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace hmem::dump
