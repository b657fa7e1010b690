// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/command_line.h"

#include <gtest/gtest.h>

namespace hmem::loader {
namespace {

CommandLineFacts Facts(std::string running) {
  CommandLineFacts facts;
  facts.running = std::move(running);
  return facts;
}

TEST(CaptureCommandLine, KeepsConsolesAndLeavesTheRestBehind) {
  auto line =
      CaptureCommandLine(Facts("BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 console=tty0 "
                               "console=ttyS0,115200 crashkernel=128M quiet"));
  EXPECT_EQ(line.value(),
            "console=tty0 console=ttyS0,115200 panic=10 nr_cpus=1 irqpoll reset_devices "
            "initcall_blacklist=tracer_init_tracefs");
}

TEST(CaptureCommandLine, TakesTheActiveConsolesWhenNoneIsNamed) {
  auto facts = Facts("root=/dev/vda1");
  facts.active_consoles = "tty0 ttyS1";
  EXPECT_TRUE(CaptureCommandLine(facts).value().starts_with("console=tty0 console=ttyS1 panic="));
}

TEST(CaptureCommandLine, KeepsWhatTheHardwareNeeds) {
  EXPECT_EQ(
      CaptureCommandLine(Facts("console=ttyS0 acpi=off intremap=nosid pcie_aspm=off")).value(),
      "console=ttyS0 acpi=off intremap=nosid panic=10 nr_cpus=1 irqpoll reset_devices "
      "initcall_blacklist=tracer_init_tracefs");
}

TEST(CaptureCommandLine, KeepsTheTimerUncheckedWhereItsTestFails) {
  EXPECT_EQ(CaptureCommandLine(Facts("console=ttyS0 no_timer_check quiet")).value(),
            "console=ttyS0 no_timer_check panic=10 nr_cpus=1 irqpoll reset_devices "
            "initcall_blacklist=tracer_init_tracefs");
}

TEST(CaptureCommandLine, DoesNotTakeTheArgumentsOfInit) {
  EXPECT_EQ(CaptureCommandLine(Facts("console=ttyS0 -- console=x acpi=off")).value(),
            "console=ttyS0 panic=10 nr_cpus=1 irqpoll reset_devices "
            "initcall_blacklist=tracer_init_tracefs");
}

TEST(CaptureCommandLine, PutsWhatTheUserAddsLast) {
  auto facts = Facts("console=ttyS0");
  facts.append = "quiet loglevel=7";
  EXPECT_TRUE(CaptureCommandLine(facts).value().ends_with("tracer_init_tracefs quiet loglevel=7"));
}

TEST(CaptureCommandLine, KeepsTheBootCpuOffWhenThereAreMore) {
  auto facts = Facts("console=ttyS0");
  facts.cpus = 2;
  facts.boot_apic_id = 16;
  EXPECT_NE(CaptureCommandLine(facts).value().find(" nr_cpus=2 disable_cpu_apicid=16 "),
            std::string::npos);
}

TEST(CaptureCommandLine, CanStartOnOneCpuAndHaveMore) {
  auto facts = Facts("console=ttyS0");
  facts.one_at_first = true;
  EXPECT_EQ(CaptureCommandLine(facts).value(),
            "console=ttyS0 panic=10 nr_cpus=1 irqpoll reset_devices "
            "initcall_blacklist=tracer_init_tracefs");
  facts.cpus = 2;
  facts.boot_apic_id = 0;
  EXPECT_EQ(CaptureCommandLine(facts).value(),
            "console=ttyS0 panic=10 nr_cpus=2 maxcpus=1 disable_cpu_apicid=0 irqpoll "
            "reset_devices initcall_blacklist=tracer_init_tracefs");
}

TEST(CaptureCommandLine, RefusesSeveralCpusWithoutTheBootCpusApicId) {
  auto facts = Facts("console=ttyS0");
  facts.cpus = 2;
  EXPECT_EQ(CaptureCommandLine(facts).error().code(), ErrorCode::kInvalidArgument);
}

TEST(CaptureCommandLine, RefusesWhatTheKernelWouldCut) {
  auto facts = Facts("console=ttyS0");
  facts.append = std::string(2000, 'x');
  EXPECT_EQ(CaptureCommandLine(facts).error().code(), ErrorCode::kLimit);
}

TEST(ReusedCommandLine, LeavesOutWhatBelongsToOneBoot) {
  EXPECT_EQ(
      ReusedCommandLine("BOOT_IMAGE=/boot/vmlinuz-6.1 root=/dev/vda1 initrd=\\initrd.img ro "
                        "elfcorehdr=0x1000 kexec_jump_back_entry=0x1 crashkernel=128M quiet\n",
                        ""),
      "root=/dev/vda1 ro crashkernel=128M quiet");
}

TEST(ReusedCommandLine, KeepsQuotesAndTheArgumentsOfInit) {
  EXPECT_EQ(ReusedCommandLine("BOOT_IMAGE=x dyndbg=\"file a +p\" -- BOOT_IMAGE=y", ""),
            "dyndbg=\"file a +p\" -- BOOT_IMAGE=y");
  EXPECT_EQ(ReusedCommandLine("BOOT_IMAGE=x\n", ""), "");
}

TEST(ReusedCommandLine, AppendsBeforeTheArgumentsOfInit) {
  EXPECT_EQ(ReusedCommandLine("ro -- single", "quiet"), "ro quiet -- single");
  EXPECT_EQ(ReusedCommandLine("", "quiet"), "quiet");
}

TEST(ReusedCommandLine, DoesNotGrowWhenTheSameIsAppendedAtEveryReboot) {
  std::string line = "console=tty0 console=ttyS0 ro";
  for (int reboot = 0; reboot < 3; ++reboot)
    line = ReusedCommandLine(line, "console=tty0 loglevel=4");
  EXPECT_EQ(line, "console=ttyS0 ro console=tty0 loglevel=4");
}

TEST(BootApicId, IsTheInitialOneOfTheFirstProcessor) {
  EXPECT_EQ(BootApicId("processor\t: 0\napicid\t\t: 1\ninitial apicid\t: 4\n\nprocessor\t: "
                       "1\ninitial apicid\t: 5\n"),
            4u);
  EXPECT_EQ(BootApicId("processor\t: 0\n\nprocessor\t: 1\ninitial apicid\t: 5\n"), std::nullopt);
  EXPECT_EQ(BootApicId(""), std::nullopt);
}

TEST(CommandLineValues, AreInTheirOrder) {
  EXPECT_EQ(CommandLineValues("crashkernel=64M x crashkernel=128M\n", "crashkernel"),
            (std::vector<std::string>{"64M", "128M"}));
  EXPECT_TRUE(CommandLineValues("crashkernelx=1", "crashkernel").empty());
}

}  // namespace
}  // namespace hmem::loader
