// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/module_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "dumptools/loader/command_line.h"

namespace hmem::loader {
namespace {

void Add(std::string_view module, std::string_view option, ModuleOptions* options) {
  std::string name(module);
  std::replace(name.begin(), name.end(), '-', '_');
  std::string& all = (*options)[name];
  if (!all.empty()) all += ' ';
  all += option;
}

// Lines of a modprobe.d file; a backslash at the end of a line joins it with the next.
void AddFile(std::string text, ModuleOptions* options) {
  constexpr std::string_view kJoin = "\\\n";
  for (size_t at = text.find(kJoin); at != std::string::npos; at = text.find(kJoin, at))
    text.replace(at, kJoin.size(), " ");
  for (std::string_view rest = text; !rest.empty();) {
    size_t end = std::min(rest.find('\n'), rest.size());
    auto words = CommandLineWords(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (words.size() < 3 || words[0] != "options") continue;
    for (const std::string& option : std::span(words).subspan(2)) Add(words[1], option, options);
  }
}

// The directories of modprobe.d(5): a file in an earlier one hides its namesake in a later one.
void AddFiles(const Host& host, ModuleOptions* options) {
  std::map<std::string, std::string> paths;
  for (std::string_view directory :
       {"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
        "/lib/modprobe.d"}) {
    for (const std::string& name : host.List(directory).value_or(std::vector<std::string>())) {
      if (name.ends_with(".conf")) paths.emplace(name, fmt::format("{}/{}", directory, name));
    }
  }
  for (const auto& [name, path] : paths) AddFile(host.Read(path).value_or(""), options);
}

}  // namespace

ModuleOptions ReadModuleOptions(const Host& host) {
  ModuleOptions options;
  AddFiles(host, &options);
  for (const std::string& word : CommandLineWords(host.Read("/proc/cmdline").value_or(""))) {
    if (word == "--") break;
    size_t dot = word.find('.');
    if (dot == 0 || dot == std::string::npos || dot > word.find('=')) continue;
    Add(std::string_view(word).substr(0, dot), std::string_view(word).substr(dot + 1), &options);
  }
  return options;
}

}  // namespace hmem::loader
