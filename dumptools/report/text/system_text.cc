// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/text/system_text.h"

#include <fmt/format.h>

#include "dumptools/report/text/pieces.h"

namespace hmem::report {

std::string Text(const v1::SystemReport& report) {
  const v1::KernelIdentity& kernel = report.kernel();
  std::string out;
  out += Row("release", kernel.release());
  out += Row("version", kernel.version());
  out += Row("machine", kernel.machine());
  out += Row("node", kernel.node_name());
  out += Row("banner", kernel.banner());
  out += Row("build id", kernel.build_id());
  out += Row("command line", kernel.command_line());
  out += Row("taint", kernel.taint().empty() ? "none" : kernel.taint());
  out += Row("architecture", kernel.arch());
  out += Row("kaslr offset", fmt::format("{:#x}", kernel.kaslr_offset()));
  out += Row("crashed", DateText(report.clock().crash_time_s()));
  if (report.clock().uptime_ns() > 0)
    out += Row("uptime", DurationText(report.clock().uptime_ns()));
  out += Row("clock", report.clock().trust());
  out += Row("panic", report.panic_message());
  if (report.cpus_possible() > 0) {
    out += Row("CPUs", fmt::format("{} online of {} possible", report.cpus_online(),
                                   report.cpus_possible()));
  }
  if (report.crashed_cpu_known())
    out += Row("crashed CPU", fmt::format("{}", report.crashed_cpu()));
  if (report.task_count() > 0) out += Row("tasks", fmt::format("{}", report.task_count()));
  const v1::MemorySummary& memory = report.memory();
  if (memory.ram_bytes() > 0) out += Row("RAM", BytesText(memory.ram_bytes()));
  auto pages = [&](std::string_view label, uint64_t count) {
    if (memory.total_pages() == 0) return;
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, memory.page_bytes(), &bytes)) return;
    out += Row(label, BytesText(bytes));
  };
  pages("managed", memory.total_pages());
  pages("free", memory.free_pages());
  pages("slab", memory.slab_pages());
  pages("anonymous", memory.anonymous_pages());
  pages("file", memory.file_pages());
  out += Row("crash id", report.identity().crash_id());
  out += Row("boot id", report.identity().boot_id());
  out += Row("host id", report.identity().host_id());
  out += Row("arm id", report.identity().arm_id());
  out += Row("dump id", report.identity().dump_id());
  for (const v1::Label& label : report.identity().labels()) {
    out += Row("label", fmt::format("{}={}", label.key(), label.value()));
  }
  out += Row("format", report.origin().format());
  return out;
}

}  // namespace hmem::report
