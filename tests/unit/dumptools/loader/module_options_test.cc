// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/module_options.h"

#include <gtest/gtest.h>

#include "tests/makers/machine_tree.h"

namespace hmem::loader {
namespace {

TEST(ModuleOptions, ComeFromTheCommandLine) {
  makers::MachineTree tree;
  tree.File("/proc/cmdline",
            "root=/dev/a.b nvme-core.io_timeout=9 nvme_core.x=\"a b\" usbcore.nousb .y -- m.z=1\n");
  EXPECT_EQ(ReadModuleOptions(Host(tree.root())),
            (ModuleOptions{{"nvme_core", "io_timeout=9 x=\"a b\""}, {"usbcore", "nousb"}}));
}

TEST(ModuleOptions, ComeFromModprobeAndTheCommandLineIsLast) {
  makers::MachineTree tree;
  tree.File("/proc/cmdline", "sg.size=3\n")
      .File("/etc/modprobe.d/a.conf", "# options sg size=0\noptions sg size=1 \\\n  other=2\n")
      .File("/lib/modprobe.d/a.conf", "options sg hidden=1\n")
      .File("/lib/modprobe.d/b.conf", "blacklist sg\noptions sr x=1\n")
      .File("/etc/modprobe.d/c.txt", "options sg unread=1\n");
  EXPECT_EQ(ReadModuleOptions(Host(tree.root())),
            (ModuleOptions{{"sg", "size=1 other=2 size=3"}, {"sr", "x=1"}}));
}

TEST(ModuleOptions, AreNoneWhereNothingIsSaid) {
  EXPECT_TRUE(ReadModuleOptions(Host("/nonexistent")).empty());
}

}  // namespace
}  // namespace hmem::loader
