// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/reservation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/makers/machine_tree.h"

namespace hmem::loader {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(Reservation, ReadsTheOldAndTheNewPlace) {
  makers::MachineTree old_tree;
  old_tree.File("/sys/kernel/kexec_crash_size", "134217728\n")
      .File("/sys/kernel/kexec_crash_loaded", "1\n");
  EXPECT_EQ(ReservedBytes(Host(old_tree.root())).value(), 128 * kMiB);
  EXPECT_TRUE(CrashKernelLoaded(Host(old_tree.root())).value());
  makers::MachineTree new_tree;
  new_tree.File("/sys/kernel/kexec/crash_size", "0\n")
      .File("/sys/kernel/kexec/crash_loaded", "0\n");
  EXPECT_EQ(ReservedBytes(Host(new_tree.root())).value(), 0u);
  EXPECT_FALSE(CrashKernelLoaded(Host(new_tree.root())).value());
}

TEST(Reservation, AKernelWithoutKexecIsUnsupported) {
  makers::MachineTree tree;
  EXPECT_EQ(ReservedBytes(Host(tree.root())).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(CrashKernelLoaded(Host(tree.root())).error().code(), ErrorCode::kUnsupported);
}

TEST(ReservationAdvice, NamesGrubsFileWhereThereIsGrub) {
  makers::MachineTree tree;
  tree.File("/etc/default/grub", "").File("/proc/cmdline", "quiet\n");
  EXPECT_EQ(ReservationAdvice(Host(tree.root()), 128 * kMiB),
            "add crashkernel=128M to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, run "
            "update-grub and reboot");
}

TEST(ReservationAdvice, NamesTheWordThatIsThereAlready) {
  makers::MachineTree tree;
  tree.File("/proc/cmdline", "crashkernel=64M\n")
      .File("/sys/kernel/kexec_crash_size", "67108864\n");
  std::string advice = ReservationAdvice(Host(tree.root()), 128 * kMiB);
  EXPECT_NE(advice.find("crashkernel=128M"), std::string::npos);
  EXPECT_NE(advice.find("in place of crashkernel=64M"), std::string::npos);
}

TEST(ReservationAdvice, NeverPutsAWordInPlaceOfItself) {
  makers::MachineTree tree;
  tree.File("/proc/cmdline", "crashkernel=128M\n").File("/sys/kernel/kexec_crash_size", "0\n");
  std::string advice = ReservationAdvice(Host(tree.root()), 128 * kMiB);
  EXPECT_NE(advice.find("found no free memory in one piece for crashkernel=128M"),
            std::string::npos);
  EXPECT_EQ(advice.find("in place of"), std::string::npos);
  tree.File("/sys/kernel/kexec_crash_size", "67108864\n");
  advice = ReservationAdvice(Host(tree.root()), 128 * kMiB);
  EXPECT_NE(advice.find("given back"), std::string::npos);
  EXPECT_EQ(advice.find("in place of"), std::string::npos);
}

TEST(ReservationAdvice, SaysOfWhatIsNoPlainSizeThatItReservesNothing) {
  makers::MachineTree tree;
  tree.File("/sys/kernel/kexec_crash_size", "0\n");
  for (std::string_view value : {"auto", "2G-4G:320M,4G-:512M"}) {
    tree.File("/proc/cmdline", fmt::format("crashkernel={}\n", value));
    EXPECT_EQ(ReservationAdvice(Host(tree.root()), 128 * kMiB),
              fmt::format("crashkernel={} reserves nothing here: put crashkernel=128M in its "
                          "place and reboot",
                          value));
  }
}

TEST(ReservationAdvice, ASizeInOtherUnitsThatWasGivenBackNeedsNoOtherWord) {
  makers::MachineTree tree;
  tree.File("/proc/cmdline", "crashkernel=262144k\n")
      .File("/sys/kernel/kexec_crash_size", "67108864\n");
  std::string advice = ReservationAdvice(Host(tree.root()), 128 * kMiB);
  EXPECT_NE(advice.find("given back"), std::string::npos);
  EXPECT_EQ(advice.find("in place of"), std::string::npos);
}

TEST(ReservationAdvice, NamesEveryWordThatIsThere) {
  makers::MachineTree tree;
  tree.File("/proc/cmdline", "crashkernel=64M crashkernel=32M\n")
      .File("/sys/kernel/kexec_crash_size", "33554432\n");
  EXPECT_NE(ReservationAdvice(Host(tree.root()), 128 * kMiB)
                .find("in place of crashkernel=64M crashkernel=32M"),
            std::string::npos);
}

TEST(NextStep, IsLargerAndRound) {
  EXPECT_EQ(NextStepBytes(128 * kMiB), 192 * kMiB);
  EXPECT_EQ(NextStepBytes(150 * kMiB), 192 * kMiB);
}

}  // namespace
}  // namespace hmem::loader
