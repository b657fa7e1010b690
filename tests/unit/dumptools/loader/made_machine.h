// SPDX-License-Identifier: GPL-2.0-or-later
// A machine that can be armed: a virtio disk with a partition, ext4 on it mounted as /, the
// programs installed, memory reserved. Tests take one thing away.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "dumptools/loader/host.h"
#include "hmem/base/endian.h"
#include "tests/makers/machine_tree.h"
#include "tests/unit/dumptools/loader/made_kernel.h"

namespace hmem::loader {

constexpr std::string_view kMadeRelease = "6.1.0-56-cloud-amd64";
constexpr std::string_view kMadeDisk = "/sys/devices/pci0000:00/0000:00:03.0/virtio0/block/vda";

inline std::vector<std::byte> MadeExt4() {
  std::vector<std::byte> bytes(4096);
  Store<uint16_t>(bytes.data() + 0x438, 0xef53, Endian::kLittle);
  bytes[0x468] = std::byte{0xab};
  return bytes;
}

// A static 64-bit ELF program with one PT_LOAD; `segment` makes it something else.
inline std::vector<std::byte> MadeProgram(uint32_t segment = 1) {
  std::vector<std::byte> bytes(64 + 56);
  Store<uint32_t>(bytes.data(), 0x464c457f, Endian::kLittle);
  bytes[4] = std::byte{2};
  Store<uint64_t>(bytes.data() + 32, 64, Endian::kLittle);
  Store<uint16_t>(bytes.data() + 54, 56, Endian::kLittle);
  Store<uint16_t>(bytes.data() + 56, 1, Endian::kLittle);
  Store<uint32_t>(bytes.data() + 64, segment, Endian::kLittle);
  return bytes;
}

class MadeMachine {
 public:
  MadeMachine() {
    const makers::DiskDriver drivers[] = {
        {"/sys/devices/pci0000:00/0000:00:03.0", "virtio_pci"},
        {"/sys/devices/pci0000:00/0000:00:03.0/virtio0", "virtio_blk"}};
    makers::AddDisk(tree, kMadeDisk, "254:0", drivers, {});
    makers::AddPartition(tree, std::string(kMadeDisk) + "/vda1", "254:1", MadeExt4());
    tree.File("/proc/self/mountinfo", "21 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n");
    tree.File("/proc/self/status", "Name:\tkdump-arm\nCapEff:\t000001ffffffffff\n");
    tree.File("/proc/self/uid_map", "         0          0 4294967295\n");
    tree.File("/proc/swaps", "Filename Type Size Used Priority\n");
    tree.File("/proc/sys/kernel/osrelease", std::string(kMadeRelease) + "\n");
    tree.File("/proc/sys/kernel/panic_on_oops", "1\n");
    tree.File("/proc/cmdline", "console=ttyS0 crashkernel=128M\n");
    tree.File("/proc/meminfo", "MemTotal:  262144 kB\n");
    tree.File("/sys/kernel/kexec_crash_size", "134217728\n")
        .File("/sys/kernel/kexec_crash_loaded", "0\n")
        .File("/sys/kernel/kexec_loaded", "0\n");
    tree.File("/etc/machine-id", "5f1c1f0e6b7d4f0c9d9a5f2b8a7e4c31\n");
    tree.Directory("/var/crash");
    std::string boot = "/boot/";
    tree.File(boot + "vmlinuz-" + std::string(kMadeRelease), MadeKernel(kMadeRelease));
    tree.File(boot + "config-" + std::string(kMadeRelease),
              "#\nCONFIG_KEXEC_FILE=y\nCONFIG_CRASH_DUMP=y\nCONFIG_PROC_VMCORE=y\nCONFIG_BLK_DEV_"
              "INITRD=y\nCONFIG_"
              "DEVTMPFS=y\n");
    std::string modules = "/lib/modules/" + std::string(kMadeRelease) + "/";
    tree.File(modules + "modules.dep",
              "kernel/virtio_blk.ko: kernel/virtio.ko\nkernel/virtio_pci.ko: "
              "kernel/virtio.ko\nkernel/virtio.ko:\n");
    tree.File(modules + "modules.builtin", "kernel/fs/ext4/ext4.ko\n");
    for (const char* name : {"virtio_blk", "virtio_pci", "virtio"})
      tree.File(fmt::format("{}kernel/{}.ko", modules, name), MadeProgram());
    tree.File("/usr/lib/hmem/hmem-init", MadeProgram())
        .File("/usr/lib/hmem/hmemdump", MadeProgram());
  }
  Host host() const { return Host(tree.root()); }

  makers::MachineTree tree;
};

}  // namespace hmem::loader
