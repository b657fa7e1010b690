// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/memory_account.h"

#include <gtest/gtest.h>

namespace hmem::init {
namespace {

constexpr std::string_view kText =
    "MemTotal:          43732 kB\n"
    "MemFree:           21000 kB\n"
    "MemAvailable:      20676 kB\n"
    "Buffers:              12 kB\n"
    "Cached:             5740 kB\n"
    "SwapCached:         9999 kB\n"
    "AnonPages:          1284 kB\n"
    "Slab:               6172 kB\n"
    "KernelStack:         800 kB\n"
    "PageTables:          124 kB\n"
    "SecPageTables:      9999 kB\n"
    "Percpu:              256 kB\n";

TEST(MemoryInfo, ReadsWhatTheKernelPrints) {
  EXPECT_EQ(ParseMemoryInfo(kText), (MemoryInfo{.total = 43732,
                                                .available = 20676,
                                                .cache = 5752,
                                                .anonymous = 1284,
                                                .slab = 6172,
                                                .stacks = 800,
                                                .tables = 124,
                                                .percpu = 256}));
}

TEST(MemoryInfo, WhatIsMissingOrNoNumberIsZero) {
  EXPECT_EQ(ParseMemoryInfo(""), MemoryInfo());
  EXPECT_EQ(ParseMemoryInfo("MemTotal:"), MemoryInfo());
  EXPECT_EQ(ParseMemoryInfo("MemTotal: many kB\nMemAvailable: 7 kB").available, 7u);
}

TEST(MemoryInfo, OfThisMachineIsKnown) { EXPECT_GT(ReadMemoryInfo().total, 0u); }

TEST(MemoryAccount, RemembersTheStartAndTheLeast) {
  MemoryAccount account;
  account.Look({.total = 100, .available = 80, .cache = 5, .anonymous = 1});
  account.Look({.total = 100, .available = 30, .cache = 12, .anonymous = 40, .slab = 9});
  account.Look({.total = 100, .available = 70, .cache = 20, .anonymous = 2});
  account.Peak("record", 41);
  account.Peak("full", 6);
  EXPECT_EQ(account.Text(),
            "memory in KiB: total=100 start=80 least=30 initramfs=5 cache=7 anonymous=40 slab=9 "
            "stacks=0 tables=0 percpu=0 record=41 full=6");
}

TEST(MemoryAccount, SaysNothingOfWhatItDoesNotKnow) {
  MemoryAccount account;
  account.Look({});
  account.Peak("record", 0);
  EXPECT_EQ(account.Text(), "");
  account.Look({.total = 100, .available = 80, .cache = 5});
  EXPECT_TRUE(account.Text().ends_with(" percpu=0"));
}

}  // namespace
}  // namespace hmem::init
