// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/log_stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_source.h"
#include "tests/makers/log_ring_maker.h"
#include "tests/makers/page_table_maker.h"

namespace hmem::dump {
namespace {

constexpr VirtAddr kDirectMap{0xffff888000000000};
constexpr VirtAddr kRing = kDirectMap + 0x200000;
constexpr VirtAddr kUts = kDirectMap + 0x100;
constexpr VirtAddr kKallsyms = kDirectMap + 0x180000;
constexpr PhysAddr kTables{0x100000};

// Remembers whether anything read where the symbols would be.
class WatchedSource : public fakes::FakeSource {
 public:
  Status Read(PhysAddr addr, std::span<std::byte> out) const override {
    PhysAddr kallsyms(kKallsyms - kDirectMap);
    if (addr + out.size() > kallsyms && addr < kallsyms + 0x1000) touched_ = true;
    return FakeSource::Read(addr, out);
  }
  bool touched() const { return touched_; }

 private:
  mutable bool touched_ = false;
};

// The log ring of a machine with 4 MiB, mapped one to one.
class MadeLog : public testing::Test {
 protected:
  MadeLog() {
    ring_.Add("Linux version 6.1").Add("Kernel panic");
    source_.memory.WriteText(PhysAddr(0x100 + 130), "6.1.0-made");
    source_.memory.AddZero({PhysAddr(0), PhysAddr(0x1000)});
    for (uint64_t page = 0; page < 0x100000; page += 4096) {
      std::vector<std::byte> bytes(4096);
      if (ring_memory_.Read(kRing + page, bytes))
        source_.memory.Write(PhysAddr(0x200000 + page), bytes);
    }
    makers::X86PageTables tables(source_.memory, kTables, 4);
    tables.Map(kDirectMap, PhysAddr(0), 2 << 20).Map(kRing, PhysAddr(0x200000), 2 << 20);
    // What is there is no table of symbols.
    std::vector<std::byte> garbage(4096, std::byte{0xff});
    source_.memory.Write(PhysAddr(kKallsyms - kDirectMap), garbage);
    source_.AddVmcoreinfo(Keys());
  }

  std::string Keys() const {
    std::string keys = fmt::format(
        "OSRELEASE=6.1.0-made\nPAGESIZE=4096\nSYMBOL(init_uts_ns)={:x}\n"
        "OFFSET(uts_namespace.name)=0\nSYMBOL(swapper_pg_dir)={:x}\nNUMBER(phys_base)={}\n",
        kUts.value, 0xffffffff80000000 + kTables.value, 0);
    for (const char* name : {"names", "num_syms", "token_table", "token_index", "offsets",
                             "relative_base", "addresses", "markers"})
      keys += fmt::format("SYMBOL(kallsyms_{})={:x}\n", name, kKallsyms.value);
    return keys + ring_.Vmcoreinfo();
  }

  fakes::FakeVirtMemory ring_memory_;
  makers::LogRingMaker ring_{ring_memory_, kRing, {}};
  WatchedSource source_;
};

TEST_F(MadeLog, IsReadWithoutTouchingTheSymbols) {
  Findings findings;
  auto log = ReadKernelLog(source_, findings);
  ASSERT_TRUE(log) << log.error().ToString();
  EXPECT_EQ(LogText(*log, ~uint64_t{0}),
            "[    0.000000] Linux version 6.1\n[    0.001000] Kernel panic\n");
  EXPECT_FALSE(findings.HasLosses());
  EXPECT_FALSE(source_.touched());
}

TEST_F(MadeLog, OfAnUnknownArchitectureIsRefusedByName) {
  source_.machine = 8;
  Findings findings;
  auto log = ReadKernelLog(source_, findings);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code(), ErrorCode::kUnsupported);
}

TEST(LogText, KeepsTheNewestWholeLinesThatFit) {
  std::vector<walk::LogRecord> log(3);
  log[0].text = "one";
  log[1].text = "two\nand more";
  log[2].text = "three";
  const std::string last = "[    0.000000] three\n", before = "and more\n";
  EXPECT_EQ(LogText(log, last.size()), last);
  EXPECT_EQ(LogText(log, last.size() - 1), "");
  EXPECT_EQ(LogText(log, last.size() + 1), last);
  EXPECT_EQ(LogText(log, last.size() + before.size() - 1), last);
  EXPECT_EQ(LogText(log, last.size() + before.size()), before + last);
  const std::string whole = LogText(log, 1000);
  EXPECT_EQ(whole, "[    0.000000] one\n[    0.000000] two\nand more\n" + last);
  EXPECT_EQ(LogText(log, whole.size()), whole);
  EXPECT_EQ(LogText(log, whole.size() - 1), "[    0.000000] two\nand more\n" + last);
  EXPECT_EQ(LogText(log, 0), "");
  EXPECT_EQ(LogText({}, 100), "");
}

}  // namespace
}  // namespace hmem::dump
