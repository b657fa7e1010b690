// SPDX-License-Identifier: GPL-2.0-or-later
// A verb of hmemscope. <verb>_command.cc defines `const Command& <Verb>Command()`; the build finds
// it by the file's name and main builds the parser from the data here.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dumptools/tools/hmemscope/opened_dump.h"
#include "hmem/base/result.h"

namespace hmem::hmemscope {

struct Flag {
  std::string_view name;   // "--all"
  std::string_view brief;  // "-a"; empty: none
  std::string_view value;  // "NAME" when it takes a value; empty: a switch
  std::string_view help;
};

// Words behind DUMP.
struct Argument {
  std::string_view name;  // "PID"
  std::string_view help;
  size_t min = 0, max = 0;
};

struct Invocation {
  std::map<std::string, std::string, std::less<>>
      flags;  // by long name; a switch has the value "1"
  std::vector<std::string> arguments;

  bool Has(std::string_view flag) const { return flags.contains(flag); }
  // Empty when it was not given.
  std::string Value(std::string_view flag) const {
    auto it = flags.find(flag);
    return it == flags.end() ? std::string() : it->second;
  }
};

// One message, serialised for JSON and as text.
struct Answer {
  std::string type;  // "hmem.v1.LogReport"
  std::string serialized;
  std::string text;
  bool losses = false;             // exit 3
  std::vector<std::string> notes;  // losses that the text does not show, for stderr
};

struct Command {
  std::string_view name;
  std::string_view help;  // one line
  std::span<const Flag> flags;
  std::span<const Argument> arguments;  // at most one may have max > 1, the last
  Result<Answer> (*run)(OpenedDump& dump, const Invocation& invocation);
};

// Every verb, sorted by name. Generated from the file names.
std::span<const Command* const> AllCommands();

}  // namespace hmem::hmemscope
