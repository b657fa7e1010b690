// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/fakes/fake_kernel.h"

namespace hmem::walk {
namespace {

class SystemTest : public ::testing::Test {
 protected:
  void PutText(VirtAddr at, std::string_view text) {
    fake.Write(at, std::as_bytes(std::span(text)));
  }
  VirtAddr Word(std::string_view symbol, uint64_t value) {
    VirtAddr at = fake.NewBytes(8);
    fake.PutU64(at, value);
    fake.Symbol(symbol, at);
    return at;
  }
  System Read() { return ReadSystem(fake.Open(), findings); }

  fakes::FakeKernel fake;
  Findings findings;
};

TEST_F(SystemTest, NamesNeedNoTypes) {
  VirtAddr uts = fake.NewBytes(6 * 65);
  int i = 0;
  for (std::string_view text : {"Linux", "host", "6.1.0-56", "#1 SMP", "x86_64"}) {
    PutText(uts + static_cast<uint64_t>(i++) * 65, text);
  }
  fake.Symbol("init_uts_ns", uts);
  System system = Read();
  EXPECT_EQ(system.sysname, "Linux");
  EXPECT_EQ(system.nodename, "host");
  EXPECT_EQ(system.release, "6.1.0-56");
  EXPECT_EQ(system.version, "#1 SMP");
  EXPECT_EQ(system.machine, "x86_64");
}

TEST_F(SystemTest, ReleaseFallsBackToVmcoreinfo) {
  fake.vmcoreinfo = "OSRELEASE=6.12.1\nBUILD-ID=abcdef\nCRASHTIME=1700000000\nPAGESIZE=4096\n";
  System system = Read();
  EXPECT_EQ(system.release, "6.12.1");
  EXPECT_EQ(system.build_id, "abcdef");
  EXPECT_EQ(system.crash_time_s, 1700000000);
  EXPECT_EQ(system.page_bytes, 4096u);
}

TEST_F(SystemTest, BannerAndCommandLineLoseTheirNewline) {
  VirtAddr banner = fake.NewBytes(64), line = fake.NewBytes(64);
  PutText(banner, "Linux version 6.1 (gcc)\n");
  PutText(line, "root=/dev/vda quiet");
  fake.Symbol("linux_banner", banner);
  Word("saved_command_line", line.value);
  System system = Read();
  EXPECT_EQ(system.banner, "Linux version 6.1 (gcc)");
  EXPECT_EQ(system.command_line, "root=/dev/vda quiet");
}

TEST_F(SystemTest, BootIdAsProcShowsIt) {
  VirtAddr id = fake.NewBytes(16);
  fake.PutU64(id, 0x7766554433221100);
  fake.PutU64(id + 8, 0xffeeddccbbaa9988);
  fake.Symbol("sysctl_bootid", id);
  EXPECT_EQ(Read().boot_id, "00112233-4455-6677-8899-aabbccddeeff");
}

TEST_F(SystemTest, BootIdThatWasNeverReadIsEmpty) {
  fake.Symbol("sysctl_bootid", fake.NewBytes(16));
  EXPECT_EQ(Read().boot_id, "");
}

class Uptime : public SystemTest {
 protected:
  Uptime() {
    uint32_t base =
        fake.Struct("tk_read_base", 16, {{"shift", fake.u32, 0}, {"xtime_nsec", fake.u64, 8}});
    uint32_t time =
        fake.Struct("timespec64", 16, {{"tv_sec", fake.s64, 0}, {"tv_nsec", fake.s64, 8}});
    fake.Struct("timekeeper", 64,
                {{"tkr_mono", base, 0},
                 {"xtime_sec", fake.u64, 16},
                 {"wall_to_monotonic", time, 24},
                 {"offs_boot", fake.s64, 40}});
    VirtAddr core = fake.NewBytes(80);
    keeper = core + 8;
    fake.Symbol("tk_core", core);
    fake.Set(keeper, "timekeeper", "xtime_sec", 1700000010);
    fake.Set(keeper, "timekeeper", "tkr_mono.shift", 8);
    fake.Set(keeper, "timekeeper", "tkr_mono.xtime_nsec", 500 << 8);
    fake.Set(keeper, "timekeeper", "wall_to_monotonic.tv_sec", static_cast<uint64_t>(-1700000000));
    fake.Set(keeper, "timekeeper", "wall_to_monotonic.tv_nsec", 7);
    fake.Set(keeper, "timekeeper", "offs_boot", 2000000000);
    fake.vmcoreinfo = "CRASHTIME=1700000010\n";
  }
  VirtAddr keeper;
};

TEST_F(Uptime, BootClockOfTheTimekeeper) { EXPECT_EQ(Read().uptime_ns, 12000000507u); }

TEST_F(Uptime, ClockFarFromTheCrashTimeIsNotBelieved) {
  fake.Set(keeper, "timekeeper", "xtime_sec", 4711);
  EXPECT_FALSE(Read().uptime_ns);
  EXPECT_FALSE(findings.all().empty());
}

// The distance to the crash time must not overflow.
TEST_F(Uptime, ClockThatIsNoTimeAtAllIsNotBelieved) {
  fake.Set(keeper, "timekeeper", "xtime_sec", uint64_t{1} << 63);
  EXPECT_FALSE(Read().uptime_ns);
}

class Memory : public SystemTest {
 protected:
  Memory() {
    fake.btf.Enum("zone_stat_item", {{"NR_FREE_PAGES", 0}});
    fake.btf.Enum("node_stat_item", {{"NR_SLAB_RECLAIMABLE_B", 5},
                                     {"NR_SLAB_UNRECLAIMABLE_B", 6},
                                     {"NR_ANON_MAPPED", 17},
                                     {"NR_FILE_PAGES", 19}});
    zone = fake.NewBytes(8 * 16);
    node = fake.NewBytes(8 * 32);
    fake.Symbol("vm_zone_stat", zone);
    fake.Symbol("vm_node_stat", node);
    Word("_totalram_pages", 1000);
  }
  VirtAddr zone, node;
};

TEST_F(Memory, CountersByTheirEnumerators) {
  fake.PutU64(zone, 600);
  fake.PutU64(node + 5 * 8, 30);
  fake.PutU64(node + 6 * 8, 12);
  fake.PutU64(node + 17 * 8, 200);
  fake.PutU64(node + 19 * 8, static_cast<uint64_t>(-3));  // drift
  System system = Read();
  EXPECT_EQ(system.total_pages, 1000u);
  EXPECT_EQ(system.free_pages, 600u);
  EXPECT_EQ(system.slab_pages, 42u);
  EXPECT_EQ(system.anon_pages, 200u);
  EXPECT_EQ(system.file_pages, 0u);
}

TEST_F(SystemTest, NothingReadableIsFindingsNotFailure) {
  System system = Read();
  EXPECT_EQ(system.release, "");
  EXPECT_FALSE(system.total_pages);
  ASSERT_FALSE(findings.all().empty());
  EXPECT_EQ(findings.all()[0].id, "walk.system.incomplete");
}

}  // namespace
}  // namespace hmem::walk
