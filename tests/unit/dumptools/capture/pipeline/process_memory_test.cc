// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/process_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string_view>

#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

class ProcessMemoryFiles : public testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text) { dir_.WriteText(name, text); }
  ProcessMemory Read() { return ReadProcessMemory(dir_.path()); }

  makers::TempDir dir_;
};

TEST_F(ProcessMemoryFiles, AreReadByKey) {
  std::filesystem::create_directory(dir_.File("self"));
  Write("self/status",
        "Name:\thmemdump\nVmLck:\t    2048 kB\nRssAnonymous:\t 1 kB\nRssAnon:\t   616 kB\n");
  Write("meminfo", "MemTotal:       59392 kB\nMemFree:        1000 kB\nMemAvailable:   40960 kB\n");
  const ProcessMemory memory = Read();
  EXPECT_EQ(memory.anonymous, 616u * 1024);
  EXPECT_EQ(memory.locked, 2048u * 1024);
  EXPECT_EQ(memory.available, 40960u * 1024);
}

TEST_F(ProcessMemoryFiles, WhatTheyDoNotSayIsAbsent) {
  EXPECT_FALSE(Read().available);
  EXPECT_FALSE(Read().anonymous);
  for (const char* text :
       {"", "MemFree: 1 kB\n", "MemAvailable:\n", "MemAvailable: kB\n", "MemAvailable 5 kB\n",
        "MemAvailable: 18446744073709551615 kB\n", "MemAvailable: 7 pages\n"}) {
    Write("meminfo", text);
    EXPECT_FALSE(Read().available) << text;
  }
}

TEST(ProcessMemory, OfThisProcessIsKnown) {
  const ProcessMemory memory = ReadProcessMemory();
  EXPECT_GT(memory.available.value_or(0), 0u);
}

}  // namespace
}  // namespace hmem::capture
