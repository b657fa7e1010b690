// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/identity.h"

#include <gtest/gtest.h>

#include "tests/makers/machine_tree.h"

namespace hmem::loader {
namespace {

constexpr std::string_view kMachineId = "5f1c1f0e6b7d4f0c9d9a5f2b8a7e4c31";

TEST(HostId, IsTheSameEverywhereAndForEver) {
  // Changing this breaks the link between crashes of one machine before and after an update.
  EXPECT_EQ(HostId(kMachineId).value(), "0aee430d09566f07475e4ec6ff8d3c78");
  EXPECT_EQ(HostId(kMachineId).value().size(), 32u);
  EXPECT_NE(HostId(kMachineId).value(), kMachineId);
}

TEST(HostId, RefusesWhatIsNoMachineId) {
  EXPECT_EQ(HostId("uninitialized").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(HostId(std::string(32, 'g')).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Identity, IsNewWithEveryArmingForTheSameHost) {
  makers::MachineTree tree;
  tree.File("/etc/machine-id", std::string(kMachineId) + "\n");
  auto first = MakeIdentity(Host(tree.root()), {}).value();
  auto second = MakeIdentity(Host(tree.root()), {}).value();
  EXPECT_EQ(first.host_id, second.host_id);
  EXPECT_NE(first.arm_id, second.arm_id);
}

TEST(Identity, AMachineWithoutIdIsArmedWithoutHostId) {
  makers::MachineTree tree;
  EXPECT_EQ(MakeIdentity(Host(tree.root()), {}).value().host_id, "");
}

TEST(Identity, ADamagedMachineIdIsAnErrorThatNamesTheFile) {
  makers::MachineTree tree;
  tree.File("/etc/machine-id", "short\n");
  auto identity = MakeIdentity(Host(tree.root()), {});
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().ToString(), "/etc/machine-id: not 32 hexadecimal digits");
}

TEST(Identity, IsWrittenAsHmemdumpReadsIt) {
  Identity identity{"aa", "bb", {{"rack", "r 1"}, {"region", "eu"}}};
  EXPECT_EQ(FormatIdentity(identity), "host_id=aa\narm_id=bb\nlabel.rack=r 1\nlabel.region=eu\n");
}

}  // namespace
}  // namespace hmem::loader
