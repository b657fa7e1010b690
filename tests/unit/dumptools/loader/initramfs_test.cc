// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/initramfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "dumptools/loader/module_file.h"
#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::loader {
namespace {

using testing::HasSubstr;

InitramfsInput Input() {
  InitramfsInput input;
  input.plan.target.name = "/var/crash";
  input.module_files = {"/lib/modules/6.1.0-56-cloud-amd64/kernel/virtio.ko",
                        "/lib/modules/6.1.0-56-cloud-amd64/kernel/virtio_blk.ko"};
  input.identity.arm_id = "feed";
  return input;
}

std::string Refusal(const MadeMachine& machine) {
  auto initramfs = BuildInitramfs(machine.host(), Input());
  return initramfs ? "" : initramfs.error().ToString();
}

TEST(Initramfs, HoldsInitHmemdumpModulesPlanAndIdentity) {
  auto initramfs = BuildInitramfs(MadeMachine().host(), Input());
  ASSERT_TRUE(initramfs) << initramfs.error().ToString();
  std::string text(reinterpret_cast<const char*>(initramfs->data()), initramfs->size());
  for (const char* name :
       {"init", "bin/hmemdump", "lib/modules/virtio.ko", "lib/modules/virtio_blk.ko",
        "etc/hmem/init.conf", "etc/hmem/identity.conf", "dev/console", "proc", "sys", "mnt"}) {
    EXPECT_THAT(text, HasSubstr(std::string(name) + '\0')) << name;
  }
  EXPECT_THAT(text,
              HasSubstr("module = /lib/modules/virtio.ko\nmodule = /lib/modules/virtio_blk.ko\n"));
  EXPECT_THAT(text, HasSubstr("arm_id=feed\n"));
}

TEST(Initramfs, NamesTheProgramThatIsNotInstalled) {
  MadeMachine machine;
  machine.tree.Remove("/usr/lib/hmem/hmemdump");
  EXPECT_EQ(Refusal(machine), "/usr/lib/hmem/hmemdump: not installed");
}

TEST(Initramfs, NamesTheModuleThatIsNotThere) {
  MadeMachine machine;
  machine.tree.Remove("/lib/modules/6.1.0-56-cloud-amd64/kernel/virtio.ko");
  EXPECT_THAT(Refusal(machine), HasSubstr("kernel/virtio.ko: No such file"));
}

TEST(Initramfs, ThePlanHasTheOptionsOfTheModulesItLoads) {
  MadeMachine machine;
  InitramfsInput input;
  input.module_files = {"/lib/modules/6.1.0-56-cloud-amd64/kernel/virtio.ko"};
  input.module_options = {{"virtio", "x=1 y=2"}, {"other", "z=3"}};
  auto made = BuildInitramfs(machine.host(), input);
  ASSERT_TRUE(made) << made.error().ToString();
  std::string text(reinterpret_cast<const char*>(made->data()), made->size());
  EXPECT_THAT(text, HasSubstr("module = /lib/modules/virtio.ko x=1 y=2\n"));
  EXPECT_EQ(text.find("z=3"), std::string::npos);
}

TEST(Initramfs, RefusesAProgramThatNeedsLibraries) {
  constexpr uint32_t kInterpreter = 3;
  MadeMachine machine;
  machine.tree.File("/usr/lib/hmem/hmem-init", MadeProgram(kInterpreter));
  EXPECT_EQ(Refusal(machine),
            "/usr/lib/hmem/hmem-init: not linked statically; install the one of the capture build");
}

TEST(PackInitramfs, ComesOutOfZlibAsItWas) {
  std::vector<std::byte> archive(300'000);
  for (size_t i = 0; i < archive.size(); ++i) archive[i] = static_cast<std::byte>(i * i >> 9);
  // What unpacks it here takes nothing but ELF files.
  std::ranges::copy(std::as_bytes(std::span(std::string_view("\177ELF"))), archive.begin());
  auto packed = PackInitramfs(archive);
  ASSERT_TRUE(packed) << packed.error().ToString();
  EXPECT_LT(packed->size(), archive.size());
  // What the kernel knows gzip by.
  EXPECT_EQ((*packed)[0], std::byte{0x1f});
  EXPECT_EQ((*packed)[1], std::byte{0x8b});
  auto unpacked = UnpackModule("x.ko.gz", *packed);
  ASSERT_TRUE(unpacked) << unpacked.error().ToString();
  EXPECT_EQ(*unpacked, archive);
}

TEST(CheckStaticProgram, RefusesScriptsCutFilesAnd32Bit) {
  auto program = MadeProgram();
  EXPECT_TRUE(CheckStaticProgram("p", program));
  EXPECT_EQ(CheckStaticProgram("p", std::as_bytes(std::span(std::string_view("#!/bin/sh\n"))))
                .error()
                .ToString(),
            "p: not an ELF program");
  EXPECT_FALSE(CheckStaticProgram("p", {}));
  EXPECT_EQ(CheckStaticProgram("p", std::span(program).first(60)).error().code(),
            ErrorCode::kTruncated);
  program[4] = std::byte{1};
  EXPECT_EQ(CheckStaticProgram("p", program).error().ToString(), "p: not a 64-bit program");
}

}  // namespace
}  // namespace hmem::loader
