// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/config.h"

#include <gtest/gtest.h>

namespace hmem::loader {
namespace {

std::string Refusal(std::string_view text) {
  auto config = ParseConfig(text, "c");
  return config ? "" : config.error().ToString();
}

TEST(Config, AnEmptyFileIsTheDefault) {
  auto config = ParseConfig("", "c");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->target, "/var/crash");
  EXPECT_EQ(config->target_kind, plan::Target::Kind::kPath);
  EXPECT_EQ(config->cpus, 1u);
  EXPECT_EQ(config->final_action, plan::FinalAction::kReboot);
  EXPECT_EQ(config->source, plan::SourceChoice::kAuto);
}

TEST(Config, TakesEveryKey) {
  auto config = ParseConfig(
      "target = device   /dev/vdb\nkernel = /boot/vmlinuz-x\nappend = quiet pci=noacpi\ncpus = "
      "2\npanic_timeout = 3\n"
      "deadline.record = 4\ndeadline.dump = 5\ndeadline.target = 6\ndeadline.log = "
      "7\ndeadline.total = 8\n"
      "final_action = halt\nsource = vmcore\nlabel.region = eu-1\nlabel.rack = a b\n",
      "c");
  ASSERT_TRUE(config) << config.error().ToString();
  EXPECT_EQ(config->target_kind, plan::Target::Kind::kDevice);
  EXPECT_EQ(config->target, "/dev/vdb");
  EXPECT_EQ(config->kernel, "/boot/vmlinuz-x");
  EXPECT_EQ(config->append, "quiet pci=noacpi");
  EXPECT_EQ(config->cpus, 2u);
  EXPECT_EQ(config->panic_timeout_s, 3u);
  EXPECT_EQ(config->deadlines, (plan::Deadlines{4, 5, 6, 7, 8}));
  EXPECT_EQ(config->final_action, plan::FinalAction::kHalt);
  EXPECT_EQ(config->source, plan::SourceChoice::kVmcore);
  EXPECT_EQ(config->labels,
            (std::map<std::string, std::string>{{"region", "eu-1"}, {"rack", "a b"}}));
}

TEST(Config, TheDumpIsFilteredUnlessToldOtherwise) {
  Config config = ParseConfig("", "c").value();
  EXPECT_EQ(config.exclude, "zero,cache,private,user,free");
  EXPECT_EQ(config.keep, "task:crashing");
  config = ParseConfig("exclude = none\nkeep = nothing\n", "c").value();
  EXPECT_EQ(config.exclude, "none");
  EXPECT_EQ(config.keep, "");
  EXPECT_FALSE(ParseConfig("exclude =\n", "c"));
}

TEST(Config, CpusAreANumberOrAutomatic) {
  EXPECT_EQ(ParseConfig("cpus = auto", "c").value().cpus, std::nullopt);
  EXPECT_EQ(Refusal("cpus = all"),
            "c: line 1: \"all\" is not a number from 1 to 64 and is not \"auto\"");
}

TEST(Config, NamesTheLineOfAnUnknownKey) {
  EXPECT_EQ(Refusal("\ntarge = x\n"), "c: line 2: unknown key \"targe\"");
}

TEST(Config, RefusesAKeyASecondTime) {
  EXPECT_EQ(Refusal("cpus = 1\ncpus = 1\n"), "c: line 2: \"cpus\" a second time");
}

TEST(Config, RefusesAnUnknownTargetKind) {
  EXPECT_EQ(Refusal("target = ssh host"), "c: line 1: target \"ssh\" is neither path nor device");
}

TEST(Config, RefusesATargetWithoutAPath) {
  EXPECT_EQ(Refusal("target = path"), "c: line 1: target path needs an absolute path");
  EXPECT_EQ(Refusal("target = path crash"), "c: line 1: target path needs an absolute path");
}

TEST(Config, RefusesARelativeKernel) {
  EXPECT_EQ(Refusal("kernel = vmlinuz"), "c: line 1: kernel needs an absolute path");
}

TEST(Config, RefusesCrashkernelForTheCaptureKernel) {
  EXPECT_NE(Refusal("append = quiet crashkernel=1G"), "");
  EXPECT_NE(Refusal("append = crashkernel=1G"), "");
}

TEST(Config, SplitsAppendIntoWordsAsTheKernelDoes) {
  for (std::string_view words :
       {"quiet\tcrashkernel=1G", "\"crashkernel=1G\"", "quiet \"crashkernel\"=1G"}) {
    EXPECT_NE(Refusal("append = " + std::string(words)), "") << words;
  }
  EXPECT_EQ(Refusal("append = x=\"a crashkernel=1G\""), "");
}

TEST(Config, NamesTheKeyThatAnAppendedWordGetsRound) {
  for (std::string_view word : {"nr_cpus=4", "nr-cpus=4", "maxcpus=4", "disable_cpu_apicid=0"}) {
    EXPECT_TRUE(Refusal("append = " + std::string(word)).ends_with("= is set with cpus =")) << word;
  }
  EXPECT_EQ(Refusal("append = quiet panic=0"), "c: line 1: panic= is set with panic_timeout =");
  EXPECT_NE(Refusal("append = quiet -- x"), "");
}

TEST(Config, RefusesAnEndlessAppend) {
  EXPECT_NE(Refusal("append = " + std::string(1025, 'x')), "");
}

TEST(Config, RefusesNumbersOutOfRange) {
  for (std::string_view line :
       {"cpus = 0", "cpus = 65", "panic_timeout = 0", "panic_timeout = 601", "deadline.dump = 0",
        "deadline.record = 604801", "deadline.total = 1h"}) {
    EXPECT_NE(Refusal(line), "") << line;
  }
}

TEST(Config, RefusesAnUnknownSource) {
  EXPECT_EQ(Refusal("source = kcore"), "c: line 1: \"kcore\" is none of auto, hmem, vmcore");
}
TEST(Config, RefusesAnUnknownFinalAction) { EXPECT_NE(Refusal("final_action = sleep"), ""); }

TEST(Config, RefusesLabelsThatAreNoNames) {
  EXPECT_NE(Refusal("label. = x"), "");
  EXPECT_NE(Refusal("label.Region = x"), "");
  EXPECT_NE(Refusal("label." + std::string(65, 'a') + " = x"), "");
  EXPECT_NE(Refusal("label.a = " + std::string(257, 'x')), "");
}

TEST(Config, RefusesMoreThan32Labels) {
  std::string text;
  for (int i = 0; i < 33; ++i) text += "label.l" + std::to_string(i) + " = x\n";
  EXPECT_EQ(Refusal(text), "c: line 33: more than 32 labels");
}

}  // namespace
}  // namespace hmem::loader
