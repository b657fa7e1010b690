// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/system.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string_view>

#include "dumptools/walk/cpu_masks.h"
#include "dumptools/walk/printk.h"
#include "hmem/space/utsname.h"

namespace hmem::walk {
namespace {

constexpr size_t kMaxBannerBytes = 1024;
constexpr size_t kMaxCommandLineBytes = 8192;
constexpr uint64_t kNsPerSecond = 1000000000;
constexpr uint64_t kClockSlackSeconds = 60;

void TrimEnd(std::string& text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
}

class Reader {
 public:
  Reader(const Kernel& kernel, Findings& findings) : kernel_(kernel), findings_(findings) {}

  // A piece of the picture; its absence is a finding.
  template <typename Fill>
  void Piece(std::string_view name, Fill fill) {
    Status status = fill();
    if (status) return;
    findings_.Add(Severity::kInfo, "walk.system.incomplete",
                  fmt::format("{}: {}", name, status.error().ToString()),
                  "a fact about the system cannot be read");
  }

  Status Names(System& system) const {
    HMEM_ASSIGN(VirtAddr at, kernel_.SymbolAddress("init_uts_ns"));
    HMEM_ASSIGN(space::Utsname names,
                space::ReadUtsname(kernel_.memory(), at, kernel_.vmcoreinfo()));
    system.sysname = names.fields[0];
    system.nodename = names.fields[1];
    system.release = names.fields[2];
    system.version = names.fields[3];
    system.machine = names.fields[4];
    return {};
  }

  Status Banner(System& system) const {
    HMEM_ASSIGN(VirtAddr at, kernel_.SymbolAddress("linux_banner"));
    HMEM_ASSIGN(system.banner, kernel_.memory().Text(at, kMaxBannerBytes));
    TrimEnd(system.banner);
    return {};
  }

  Status CommandLine(System& system) const {
    HMEM_ASSIGN(VirtAddr pointer, kernel_.SymbolAddress("saved_command_line"));
    HMEM_ASSIGN(VirtAddr at, kernel_.memory().Pointer(pointer));
    HMEM_ASSIGN(system.command_line, kernel_.memory().Text(at, kMaxCommandLineBytes));
    TrimEnd(system.command_line);
    return {};
  }

  // drivers/char/random.c: made when it is first read; all zero until then.
  Status BootId(System& system) const {
    HMEM_ASSIGN(VirtAddr at, kernel_.SymbolAddress("sysctl_bootid"));
    std::array<std::byte, 16> id;
    HMEM_TRY(kernel_.memory().Read(at, id));
    if (std::ranges::all_of(id, [](std::byte b) { return b == std::byte{0}; })) return {};
    for (size_t i = 0; i < id.size(); ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) system.boot_id += '-';
      system.boot_id += fmt::format("{:02x}", std::to_integer<unsigned>(id[i]));
    }
    return {};
  }

  Status Taints(System& system) const {
    HMEM_ASSIGN(VirtAddr at, kernel_.SymbolAddress("tainted_mask"));
    HMEM_ASSIGN(system.taints, kernel_.memory().Word(at));
    return {};
  }

  Status Cpus(System& system) const {
    HMEM_ASSIGN(std::vector<uint32_t> possible, ReadCpuMask(kernel_, "__cpu_possible_mask"));
    system.cpus_possible = static_cast<uint32_t>(possible.size());
    HMEM_ASSIGN(std::vector<uint32_t> online, ReadCpuMask(kernel_, "__cpu_online_mask"));
    system.cpus_online = static_cast<uint32_t>(online.size());
    return {};
  }

  // CLOCK_BOOTTIME as of the last tick: wall clock, plus what leads from it to the boot.
  Result<uint64_t> TimekeeperUptime(const System& system) const {
    HMEM_ASSIGN(VirtAddr core, kernel_.SymbolAddress("tk_core"));
    // struct tk_data has a name from 6.13 on; before, it was a sequence counter, then the
    // timekeeper.
    VirtAddr keeper = core + 8;
    if (kernel_.HasMember("tk_data", "timekeeper")) {
      HMEM_ASSIGN(keeper, kernel_.MemberAddress(core, "tk_data", "timekeeper"));
    }
    auto member = [&](std::string_view path) { return kernel_.Member(keeper, "timekeeper", path); };
    HMEM_ASSIGN(uint64_t seconds, member("xtime_sec"));
    HMEM_ASSIGN(uint64_t shifted, member("tkr_mono.xtime_nsec"));
    HMEM_ASSIGN(uint64_t shift, member("tkr_mono.shift"));
    HMEM_ASSIGN(uint64_t to_mono_s, member("wall_to_monotonic.tv_sec"));
    HMEM_ASSIGN(uint64_t to_mono_ns, member("wall_to_monotonic.tv_nsec"));
    HMEM_ASSIGN(uint64_t asleep_ns, member("offs_boot"));
    const auto crash = static_cast<uint64_t>(system.crash_time_s.value_or(0));
    const uint64_t off_by = std::max(seconds, crash) - std::min(seconds, crash);
    if (shift >= 64 || (system.crash_time_s && off_by > kClockSlackSeconds)) {
      return Fail(ErrorCode::kCorrupt, fmt::format("tk_core: a wall clock of {} s", seconds));
    }
    uint64_t ns =
        (seconds + to_mono_s) * kNsPerSecond + (shifted >> shift) + to_mono_ns + asleep_ns;
    if (static_cast<int64_t>(ns) <= 0) {
      return Fail(ErrorCode::kCorrupt, fmt::format("tk_core: booted for {:#x} ns", ns));
    }
    return ns;
  }

  Status Uptime(System& system) const {
    if (Result<uint64_t> uptime = TimekeeperUptime(system)) {
      system.uptime_ns = *uptime;
      return {};
    }
    Findings said;  // whoever shows the log says what is wrong with it
    HMEM_ASSIGN(std::vector<LogRecord> log, ReadLog(kernel_.memory(), kernel_.vmcoreinfo(), said));
    for (const LogRecord& record : log) {
      system.uptime_ns = std::max(system.uptime_ns.value_or(0), record.time_ns);
    }
    return {};
  }

  // Sum of some counters of vm_zone_stat or vm_node_stat; negative drift of a counter counts as 0.
  Result<uint64_t> Pages(std::string_view array,
                         std::initializer_list<std::string_view> items) const {
    HMEM_ASSIGN(const types::TypeDb* types, kernel_.types());
    HMEM_ASSIGN(VirtAddr at, kernel_.SymbolAddress(array));
    const auto step = static_cast<uint64_t>(kernel_.arch().word_bytes);
    uint64_t pages = 0;
    for (std::string_view item : items) {
      HMEM_ASSIGN(int64_t index, types->Enumerator(item));
      HMEM_ASSIGN(uint64_t value, kernel_.memory().Word(at + static_cast<uint64_t>(index) * step));
      if (value >> (step * 8 - 1) == 0) pages += value;
    }
    return pages;
  }

  Status Memory(System& system) const {
    HMEM_ASSIGN(VirtAddr total, kernel_.SymbolAddress("_totalram_pages"));
    HMEM_ASSIGN(system.total_pages, kernel_.memory().Word(total));
    HMEM_ASSIGN(system.free_pages, Pages("vm_zone_stat", {"NR_FREE_PAGES"}));
    HMEM_ASSIGN(system.anon_pages, Pages("vm_node_stat", {"NR_ANON_MAPPED"}));
    HMEM_ASSIGN(system.file_pages, Pages("vm_node_stat", {"NR_FILE_PAGES"}));
    HMEM_ASSIGN(system.slab_pages,
                Pages("vm_node_stat", {"NR_SLAB_RECLAIMABLE_B", "NR_SLAB_UNRECLAIMABLE_B"}));
    return {};
  }

 private:
  const Kernel& kernel_;
  Findings& findings_;
};

}  // namespace

System ReadSystem(const Kernel& kernel, Findings& findings) {
  System system;
  Reader reader(kernel, findings);
  reader.Piece("names", [&] { return reader.Names(system); });
  reader.Piece("banner", [&] { return reader.Banner(system); });
  reader.Piece("command line", [&] { return reader.CommandLine(system); });
  reader.Piece("boot id", [&] { return reader.BootId(system); });
  reader.Piece("taint", [&] { return reader.Taints(system); });
  reader.Piece("CPUs", [&] { return reader.Cpus(system); });

  const space::Vmcoreinfo& info = kernel.vmcoreinfo();
  if (std::optional<std::string_view> id = info.Text("BUILD-ID")) system.build_id = *id;
  if (system.release.empty()) system.release = info.Text("OSRELEASE").value_or("");
  if (std::optional<uint64_t> time = info.Number("CRASHTIME")) {
    system.crash_time_s = static_cast<int64_t>(*time);
  }
  reader.Piece("uptime", [&] { return reader.Uptime(system); });

  system.page_bytes = info.Number("PAGESIZE").value_or(kernel.source().page_bytes());
  for (const PhysRange& range : kernel.source().ram()) system.ram_bytes += range.size();
  reader.Piece("memory", [&] { return reader.Memory(system); });
  return system;
}

}  // namespace hmem::walk
