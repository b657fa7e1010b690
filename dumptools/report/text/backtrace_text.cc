// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/backtrace_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::BacktraceReport& report) {
  std::string out;
  for (const v1::TaskStack& stack : report.stacks()) {
    if (!out.empty()) out += '\n';
    out += TaskText(stack.task());
    if (!stack.task().state().empty())
      out += fmt::format(", state {}", Printable(stack.task().state()));
    if (stack.on_cpu())
      out += fmt::format(", on CPU {}{}", stack.cpu(), stack.crashed() ? ", which crashed" : "");
    out += '\n';
    const int failed = stack.holds_location() ? static_cast<int>(stack.location_frame()) : -1;
    out += StackText(stack.stack(), "  ", failed);
    if (stack.registers_size() > 0) out += RegistersText(stack.registers(), "  ");
  }
  return out;
}

}  // namespace hmem::report
