// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/process_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::ProcessReport& report) {
  std::string out = fmt::format("  {:>7} {:>7} {:>7} {:>3} S {:>9} {:>18}  {}\n", "PID", "TGID",
                                "PPID", "CPU", "RSS", "TASK", "COMM");
  for (const v1::Task& task : report.tasks()) {
    std::string comm = Printable(task.comm());
    if (task.kernel_thread()) comm = fmt::format("[{}]", comm);
    out += fmt::format("{} {:>7} {:>7} {:>7} {:>3} {} {:>9} {:#018x}  {}\n",
                       task.on_cpu() ? '>' : ' ', task.pid(), task.tgid(), task.parent_tgid(),
                       task.cpu(), task.state().empty() ? "?" : Printable(task.state()),
                       task.rss_pages(), task.address(), comm);
  }
  return out;
}

}  // namespace hmem::report
