// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/module_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/makers/machine_tree.h"

namespace hmem::loader {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ModuleIndexTest : public testing::Test {
 protected:
  ModuleIndexTest() {
    Put("modules.dep",
        "kernel/drivers/virtio/virtio.ko:\n"
        "kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko\n"
        "kernel/drivers/virtio/virtio-pci.ko.xz: kernel/drivers/virtio/virtio_ring.ko "
        "kernel/drivers/virtio/virtio.ko\n"
        "kernel/fs/xfs/xfs.ko.zst: kernel/lib/libcrc32c.ko\n"
        "kernel/lib/libcrc32c.ko:\n"
        "kernel/arch/x86/crypto/crc32c-intel.ko:\n"
        "/updates/later.ko:\n");
    Put("modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/crypto/crc32c_generic.ko\n");
    Put("modules.alias",
        "# comment\nalias fs-xfs xfs\nalias crc32c crc32c_intel\n"
        "alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\n");
    Put("modules.softdep", "softdep libcrc32c pre: crc32c not-there\nsoftdep xfs post: later\n");
  }
  void Put(std::string_view name, std::string_view text) {
    tree_.File("/lib/modules/6.1/" + std::string(name), text);
  }
  Result<ModuleIndex> Open() { return ModuleIndex::Open(Host(tree_.root()), "/lib/modules/6.1"); }
  std::vector<std::string> Order(std::string_view name) {
    return Open().value().LoadOrder(name).value();
  }

  makers::MachineTree tree_;
};

TEST_F(ModuleIndexTest, PutsWhatAModuleNeedsBeforeIt) {
  EXPECT_THAT(Order("virtio_pci"),
              ElementsAre("/lib/modules/6.1/kernel/drivers/virtio/virtio.ko",
                          "/lib/modules/6.1/kernel/drivers/virtio/virtio_ring.ko",
                          "/lib/modules/6.1/kernel/drivers/virtio/virtio-pci.ko.xz"));
}

TEST_F(ModuleIndexTest, TakesSoftDependenciesAlongAndMissesNoneThatIsNotThere) {
  EXPECT_THAT(Order("fs-xfs"),
              ElementsAre("/lib/modules/6.1/kernel/arch/x86/crypto/crc32c-intel.ko",
                          "/lib/modules/6.1/kernel/lib/libcrc32c.ko",
                          "/lib/modules/6.1/kernel/fs/xfs/xfs.ko.zst", "/updates/later.ko"));
}

TEST_F(ModuleIndexTest, FindsADeviceByItsAlias) {
  EXPECT_EQ(Order("pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00").size(), 3u);
}

TEST_F(ModuleIndexTest, LoadsNothingForWhatIsBuiltIn) { EXPECT_THAT(Order("ext4"), IsEmpty()); }

TEST_F(ModuleIndexTest, DashAndUnderscoreAreTheSame) {
  EXPECT_EQ(Order("virtio-pci"), Order("virtio_pci"));
}

TEST_F(ModuleIndexTest, SaysNotFoundOfAModuleNobodyKnows) {
  auto order = Open().value().LoadOrder("mystery");
  ASSERT_FALSE(order);
  EXPECT_EQ(order.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(order.error().ToString().find("mystery"), std::string::npos);
}

TEST_F(ModuleIndexTest, SurvivesModulesThatNeedEachOther) {
  Put("modules.dep", "a.ko: b.ko\nb.ko: a.ko\n");
  EXPECT_EQ(Order("a").size(), 2u);
}

TEST_F(ModuleIndexTest, SurvivesAliasesThatNameEachOther) {
  Put("modules.alias", "alias x y\nalias y x\n");
  auto order = Open().value().LoadOrder("x");
  ASSERT_FALSE(order);
  EXPECT_EQ(order.error().code(), ErrorCode::kLimit);
}

TEST_F(ModuleIndexTest, RefusesADependencyLineWithoutColon) {
  Put("modules.dep", "a.ko:\nb.ko\n");
  auto index = Open();
  ASSERT_FALSE(index);
  EXPECT_EQ(index.error().ToString(), "/lib/modules/6.1/modules.dep: line 2: no ':'");
}

TEST_F(ModuleIndexTest, NamesTheTableThatIsMissing) {
  tree_.Remove("/lib/modules/6.1/modules.builtin");
  auto index = Open();
  ASSERT_FALSE(index);
  EXPECT_NE(index.error().ToString().find("modules.builtin"), std::string::npos);
}

TEST_F(ModuleIndexTest, DoesWithoutAliasAndSoftdepTables) {
  tree_.Remove("/lib/modules/6.1/modules.alias").Remove("/lib/modules/6.1/modules.softdep");
  EXPECT_EQ(Order("xfs").size(), 2u);
}

}  // namespace
}  // namespace hmem::loader
