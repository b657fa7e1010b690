// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/module_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::ModuleReport& report) {
  std::string out = fmt::format("{:>18} {:>10} {:<8} {:<24} {}\n", "TEXT", "SIZE", "STATE", "NAME",
                                "TAINT, USERS");
  for (const v1::Module& module : report.modules()) {
    std::string rest;
    if (!module.taint().empty()) rest = fmt::format("({})", Printable(module.taint()));
    for (const std::string& user : module.used_by())
      rest += (rest.empty() ? "" : " ") + Printable(user);
    std::string line =
        fmt::format("{:#018x} {:>10} {:<8} {:<24} {}", module.text_address(), module.size_bytes(),
                    Printable(module.state()), Printable(module.name()), rest);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace hmem::report
