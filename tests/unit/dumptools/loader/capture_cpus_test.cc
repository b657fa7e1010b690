// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/capture_cpus.h"

#include <gtest/gtest.h>

#include "tests/makers/machine_tree.h"

namespace hmem::loader {
namespace {

class CaptureCpusTest : public testing::Test {
 protected:
  CaptureCpusTest() {
    tree_.File("/proc/cpuinfo", "processor\t: 0\ninitial apicid\t: 6\n\nprocessor\t: 1\n");
  }
  CaptureCpus Choose(std::string_view online, std::optional<uint64_t> configured) {
    tree_.File("/sys/devices/system/cpu/online", online);
    CaptureCpus chosen = ChooseCaptureCpus(host_, configured);
    check_ = CheckCaptureCpus(host_, configured, chosen);
    return chosen;
  }

  makers::MachineTree tree_;
  Host host_{tree_.root()};
  CheckItem check_;
};

TEST_F(CaptureCpusTest, ANumberIsTakenAsItIs) {
  CaptureCpus chosen = Choose("0-1\n", 8);
  EXPECT_EQ(chosen.cpus, 8u);
  EXPECT_FALSE(chosen.one_at_first);
  EXPECT_EQ(chosen.boot_apic_id, 6u);
  EXPECT_EQ(check_.text, "8");
}

TEST_F(CaptureCpusTest, AutomaticIsWhatRunsUpToALimit) {
  EXPECT_EQ(Choose("0-2\n", std::nullopt).cpus, 3u);
  EXPECT_EQ(check_.text, "1, and up to 3 when the record is durable");
  CaptureCpus many = Choose("0-127\n", std::nullopt);
  EXPECT_EQ(many.cpus, kMaxAutomaticCpus);
  EXPECT_TRUE(many.one_at_first);
}

TEST_F(CaptureCpusTest, AutomaticIsOneOnAMachineWithOneCpuOrAnUnknownNumber) {
  for (std::string_view online : {"0\n", "", "some\n"}) {
    CaptureCpus chosen = Choose(online, std::nullopt);
    EXPECT_EQ(chosen.cpus, 1u) << online;
    EXPECT_FALSE(chosen.one_at_first) << online;
    EXPECT_EQ(check_.state, CheckItem::State::kOk) << online;
  }
}

TEST_F(CaptureCpusTest, AutomaticIsOneWhereTheBootCpuIsNotKnownAndSaysSo) {
  tree_.File("/proc/cpuinfo", "processor\t: 0\n");
  EXPECT_EQ(Choose("0-3\n", std::nullopt).cpus, 1u);
  EXPECT_EQ(check_.state, CheckItem::State::kWarning);
  EXPECT_NE(check_.advice, "");
}

}  // namespace
}  // namespace hmem::loader
