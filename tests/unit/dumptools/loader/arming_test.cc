// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/arming.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_kexec.h"
#include "tests/unit/dumptools/loader/made_machine.h"

namespace hmem::loader {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Ids of the checks that failed.
std::vector<std::string> FailuresOf(const MadeMachine& machine, const Config& config = {}) {
  std::vector<std::string> ids;
  for (const CheckItem& item : Prepare(machine.host(), config).checks) {
    if (item.state == CheckItem::State::kFailed) ids.push_back(item.id);
    if (item.state != CheckItem::State::kOk) {
      EXPECT_NE(item.advice, "") << item.id;
    }
  }
  return ids;
}

void AddWatchdog(MadeMachine& machine, std::string_view name, std::string device,
                 std::string_view module) {
  makers::AddDriver(machine.tree, {device, module});
  machine.tree.Link(std::string("/sys/class/watchdog/") + std::string(name) + "/device",
                    "../../../.." + device);
}

TEST(Prepare, AHealthyMachineIsReady) {
  MadeMachine machine;
  Preparation made = Prepare(machine.host(), {});
  for (const CheckItem& item : made.checks)
    EXPECT_EQ(item.state, CheckItem::State::kOk) << item.id << ": " << item.text;
  EXPECT_TRUE(made.Ready());
  EXPECT_EQ(made.kernel->release, kMadeRelease);
  EXPECT_THAT(made.module_files, ElementsAre(HasSubstr("/virtio.ko"), HasSubstr("/virtio_pci.ko"),
                                             HasSubstr("/virtio_blk.ko")));
  EXPECT_EQ(made.command_line,
            "console=ttyS0 panic=10 nr_cpus=1 irqpoll reset_devices "
            "initcall_blacklist=tracer_init_tracefs");
  EXPECT_FALSE(made.initramfs.empty());
}

TEST(Prepare, PacksTheInitramfsForAKernelThatUnpacksGzip) {
  MadeMachine machine;
  Preparation plain = Prepare(machine.host(), {});
  EXPECT_EQ(plain.initramfs.size(), plain.initramfs_unpacked_bytes);
  std::string config = "/boot/config-" + std::string(kMadeRelease);
  machine.tree.File(config, machine.host().Read(config).value() + "CONFIG_RD_GZIP=y\n");
  Preparation packed = Prepare(machine.host(), {});
  EXPECT_LT(packed.initramfs.size(), packed.initramfs_unpacked_bytes);
  EXPECT_EQ(packed.footprint.advised_bytes, plain.footprint.advised_bytes);
}

TEST(Prepare, TakesTheHardwareWatchdogAlongButNotSoftdog) {
  MadeMachine machine;
  AddWatchdog(machine, "watchdog0", "/sys/devices/platform/softdog", "softdog");
  AddWatchdog(machine, "watchdog1", "/sys/devices/pci0000:00/0000:00:05.0", "i6300esb");
  std::string modules = "/lib/modules/" + std::string(kMadeRelease) + "/";
  machine.tree.File(
      modules + "modules.dep",
      "kernel/virtio_blk.ko:\nkernel/virtio_pci.ko:\nkernel/i6300esb.ko:\nkernel/softdog.ko:\n");
  machine.tree.File(modules + "kernel/i6300esb.ko", MadeProgram());
  EXPECT_THAT(Prepare(machine.host(), {}).module_files,
              ElementsAre(HasSubstr("/virtio_pci.ko"), HasSubstr("/virtio_blk.ko"),
                          HasSubstr("/i6300esb.ko")));
}

TEST(Prepare, TakesTheDriversAboveAWatchdogAlong) {
  MadeMachine machine;
  makers::AddDriver(machine.tree, {"/sys/devices/pci0000:00/0000:00:1f.0", "lpc_ich"});
  AddWatchdog(machine, "watchdog0", "/sys/devices/pci0000:00/0000:00:1f.0/iTCO_wdt.1.auto",
              "iTCO_wdt");
  std::string modules = "/lib/modules/" + std::string(kMadeRelease) + "/";
  machine.tree.File(modules + "modules.dep",
                    "kernel/virtio_blk.ko:\nkernel/virtio_pci.ko:\nkernel/iTCO_wdt.ko:\nkernel/"
                    "lpc_ich.ko:\n");
  machine.tree.File(modules + "kernel/iTCO_wdt.ko", MadeProgram());
  machine.tree.File(modules + "kernel/lpc_ich.ko", MadeProgram());
  EXPECT_THAT(Prepare(machine.host(), {}).module_files,
              ElementsAre(HasSubstr("/virtio_pci.ko"), HasSubstr("/virtio_blk.ko"),
                          HasSubstr("/lpc_ich.ko"), HasSubstr("/iTCO_wdt.ko")));
}

// The disk of a MadeMachine, behind a PCIe root port.
void AddRootPort(MadeMachine& machine) {
  makers::AddDriver(machine.tree, {"/sys/devices/pci0000:00", "pcieportdrv"});
  machine.tree.Remove("/sys/module/pcieportdrv/initstate");
}

TEST(Prepare, ADriverThatNoTableKnowsIsNoObstacleWhenItIsPartOfTheKernel) {
  MadeMachine machine;
  AddRootPort(machine);
  EXPECT_THAT(FailuresOf(machine), IsEmpty());
}

TEST(Prepare, AModuleThatNoTableKnowsIsAnObstacle) {
  MadeMachine machine;
  makers::AddDriver(machine.tree, {"/sys/devices/pci0000:00", "mystery"});
  EXPECT_THAT(FailuresOf(machine), ElementsAre("modules"));
}

TEST(Prepare, SaysThatADeviceIsTooSmall) {
  MadeMachine machine;
  std::string dir = "/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vdb";
  const makers::DiskDriver driver[] = {
      {"/sys/devices/pci0000:00/0000:00:04.0/virtio1", "virtio_blk"}};
  makers::AddDisk(machine.tree, dir, "254:16", driver, std::vector<std::byte>(4096));
  Config config;
  config.target_kind = plan::Target::Kind::kDevice;
  config.target = "/dev/vdb";
  EXPECT_THAT(FailuresOf(machine, config), IsEmpty());
  machine.tree.File(dir + "/size", "32767\n");
  EXPECT_THAT(FailuresOf(machine, config), ElementsAre("free-space"));
}

TEST(Prepare, SaysThatItNeedsRoot) {
  MadeMachine machine;
  machine.tree.File("/proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
  EXPECT_THAT(FailuresOf(machine), ElementsAre("root"));
}

TEST(Prepare, SaysThatTheKernelImageIsMissing) {
  MadeMachine machine;
  machine.tree.Remove("/boot/vmlinuz-" + std::string(kMadeRelease));
  EXPECT_THAT(FailuresOf(machine), ElementsAre("kernel-image"));
}

TEST(Prepare, SaysThatTheTargetIsMissing) {
  Config config;
  config.target = "/none";
  EXPECT_THAT(FailuresOf({}, config), ElementsAre("target"));
}

std::string TargetAdviceOf(const MadeMachine& machine, const Config& config = {}) {
  for (const CheckItem& item : Prepare(machine.host(), config).checks) {
    if (item.id == "target") return item.advice;
  }
  return "";
}

TEST(Prepare, AdvisesToMakeADirectoryOnlyWhereThereIsNone) {
  MadeMachine machine;
  Config config;
  config.target = "/none";
  EXPECT_THAT(TargetAdviceOf(machine, config), HasSubstr("mkdir -p /none"));
  machine.tree.File("/dev/vda1", std::vector<std::byte>(4096));
  EXPECT_THAT(TargetAdviceOf(machine), HasSubstr("name a directory on ext4 or xfs"));
}

TEST(Prepare, SaysThatAModuleTableIsMissing) {
  MadeMachine machine;
  machine.tree.Remove("/lib/modules/" + std::string(kMadeRelease) + "/modules.dep");
  EXPECT_THAT(FailuresOf(machine), ElementsAre("modules"));
}

TEST(Prepare, SaysThatAProgramIsMissing) {
  MadeMachine machine;
  machine.tree.Remove("/usr/lib/hmem/hmem-init");
  EXPECT_THAT(FailuresOf(machine), ElementsAre("initramfs"));
}

TEST(Prepare, SaysThatNothingIsReserved) {
  MadeMachine machine;
  machine.tree.File("/sys/kernel/kexec_crash_size", "0\n");
  EXPECT_THAT(FailuresOf(machine), ElementsAre("reserved-memory"));
}

TEST(Prepare, SaysThatCrashKexecIsMissingOnce) {
  MadeMachine machine;
  machine.tree.Remove("/sys/kernel");
  EXPECT_THAT(FailuresOf(machine), ElementsAre("kexec"));
}

TEST(Prepare, SaysThatSeveralCpusAreNotPossible) {
  Config config;
  config.cpus = 4;
  EXPECT_THAT(FailuresOf({}, config), ElementsAre("command-line"));
}

// The line behind "key = " of the plan in an initramfs that is not packed.
std::string PlanLine(const Preparation& made, std::string_view key) {
  std::string_view text(reinterpret_cast<const char*>(made.initramfs.data()),
                        made.initramfs.size());
  size_t at = text.find(fmt::format("\n{} = ", key));
  return at == text.npos ? "" : std::string(text.substr(at + 1, text.find('\n', at + 1) - at - 1));
}

TEST(Prepare, AutomaticCpusAreBroughtUpBehindTheRecord) {
  MadeMachine machine;
  machine.tree.File("/proc/cpuinfo", "processor\t: 0\ninitial apicid\t: 2\n\n");
  machine.tree.File("/sys/devices/system/cpu/online", "0-2\n");
  Config config;
  config.cpus.reset();
  Preparation made = Prepare(machine.host(), config);
  EXPECT_THAT(made.command_line, HasSubstr(" nr_cpus=3 maxcpus=1 disable_cpu_apicid=2 "));
  EXPECT_EQ(PlanLine(made, "dump_cpus"), "dump_cpus = 3");
  config.cpus = 3;
  made = Prepare(machine.host(), config);
  EXPECT_THAT(made.command_line, HasSubstr(" nr_cpus=3 disable_cpu_apicid=2 "));
  EXPECT_EQ(PlanLine(made, "dump_cpus"), "dump_cpus = 0");
}

// Another kernel, 6.9, with these lines of modules.builtin and virtio_pci as its only module.
Config WithSmallKernel(MadeMachine& machine, std::string_view builtin) {
  machine.tree.File("/boot/vmlinuz-other", MadeKernel("6.9"));
  machine.tree.File("/lib/modules/6.9/modules.dep", "virtio_pci.ko:\n");
  machine.tree.File("/lib/modules/6.9/modules.builtin", builtin);
  machine.tree.File("/lib/modules/6.9/virtio_pci.ko", MadeProgram());
  Config config;
  config.kernel = "/boot/vmlinuz-other";
  return config;
}

CheckItem ModulesCheck(const MadeMachine& machine, const Config& config) {
  for (const CheckItem& item : Prepare(machine.host(), config).checks) {
    if (item.id == "modules") return item;
  }
  return {};
}

TEST(Prepare, WarnsOfABuiltInDriverThatAnotherKernelMayLack) {
  MadeMachine machine;
  machine.tree.Remove("/sys/module/virtio_blk/initstate");
  CheckItem item = ModulesCheck(machine, WithSmallKernel(machine, "ext4.ko\n"));
  EXPECT_EQ(item.state, CheckItem::State::kWarning);
  EXPECT_THAT(item.text, HasSubstr("virtio_blk (built into this kernel): neither a module of 6.9"));
  EXPECT_THAT(item.advice, HasSubstr("make sure that 6.9 has it"));
}

TEST(Prepare, ABuiltInDriverThatIsBuiltIntoTheOtherKernelIsThere) {
  MadeMachine machine;
  machine.tree.Remove("/sys/module/virtio_blk/initstate");
  Config config = WithSmallKernel(machine, "ext4.ko\nvirtio_blk.ko\n");
  EXPECT_EQ(ModulesCheck(machine, config).state, CheckItem::State::kOk);
}

TEST(Prepare, ABridgeNeedsNoDriverInTheOtherKernel) {
  MadeMachine machine;
  AddRootPort(machine);
  machine.tree.File("/sys/devices/pci0000:00/modalias",
                    "pci:v00001B36d0000000Csv00001B36sd00000000bc06sc04i00\n");
  Config config = WithSmallKernel(machine, "ext4.ko\nvirtio_blk.ko\n");
  machine.tree.Remove("/sys/module/virtio_blk/initstate");
  EXPECT_EQ(ModulesCheck(machine, config).state, CheckItem::State::kOk);
}

TEST(Prepare, LooksForAliasesWhenTheCaptureKernelIsAnotherRelease) {
  MadeMachine machine;
  AddRootPort(machine);
  machine.tree.File("/boot/vmlinuz-other", MadeKernel("6.9"));
  machine.tree.File(
      "/boot/config-6.9",
      "#\nCONFIG_CRASH_DUMP=y\nCONFIG_PROC_VMCORE=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_DEVTMPFS=y\n");
  machine.tree.File("/lib/modules/6.9/modules.dep",
                    "virtio_pci.ko:\nvirtio_blk.ko:\nquirk.ko:\nport.ko:\n");
  machine.tree.File("/lib/modules/6.9/modules.builtin", "ext4.ko\n");
  machine.tree.File("/lib/modules/6.9/modules.alias",
                    "alias pci:v00001AF4* quirk\nalias pci:port* port\n");
  machine.tree.File("/sys/devices/pci0000:00/modalias", "pci:port\n");
  for (std::string name : {"virtio_pci", "virtio_blk", "quirk", "port"}) {
    machine.tree.File("/lib/modules/6.9/" + name + ".ko", MadeProgram());
  }
  machine.tree.File("/sys/devices/pci0000:00/0000:00:03.0/modalias", "pci:v00001AF4d00001001\n");
  Config config;
  config.kernel = "/boot/vmlinuz-other";
  EXPECT_THAT(Prepare(machine.host(), config).module_files,
              ElementsAre("/lib/modules/6.9/port.ko", "/lib/modules/6.9/virtio_pci.ko",
                          "/lib/modules/6.9/quirk.ko", "/lib/modules/6.9/virtio_blk.ko"));
}

TEST(Load, GivesKexecWhatWasPreparedAndChecksThatItIsThere) {
  MadeMachine machine;
  fakes::FakeKexec kexec;
  kexec.on_load = [&] {
    machine.tree.File("/sys/kernel/kexec_crash_loaded", "1\n");
    return Status();
  };
  Preparation made = Prepare(machine.host(), {});
  auto loaded = Load(machine.host(), made, kexec);
  ASSERT_TRUE(loaded) << loaded.error().ToString();
  EXPECT_THAT(kexec.kernel, HasSubstr("/boot/vmlinuz-6.1.0-56-cloud-amd64"));
  EXPECT_EQ(kexec.initramfs_bytes, made.initramfs.size());
  EXPECT_EQ(kexec.command_line, made.command_line);
}

TEST(Load, DoesNotBelieveAKernelThatDoesNotSayItIsLoaded) {
  MadeMachine machine;
  fakes::FakeKexec kexec;
  EXPECT_EQ(Load(machine.host(), Prepare(machine.host(), {}), kexec).error().code(),
            ErrorCode::kIo);
}

TEST(Load, PassesOnWhatKexecSays) {
  MadeMachine machine;
  fakes::FakeKexec kexec;
  kexec.on_load = [] { return FailErrno("kexec_file_load", EPERM); };
  EXPECT_EQ(Load(machine.host(), Prepare(machine.host(), {}), kexec).error().errno_value(), EPERM);
}

TEST(Load, AnImageThatDidNotFitAsksForTheNextStepUp) {
  MadeMachine machine;
  fakes::FakeKexec kexec;
  for (int number : {EADDRNOTAVAIL, ENOMEM}) {
    kexec.on_load = [&] { return FailErrno("kexec_file_load", number); };
    Error error = Load(machine.host(), Prepare(machine.host(), {}), kexec).error();
    EXPECT_EQ(error.errno_value(), number);
    EXPECT_THAT(error.ToString(), HasSubstr("did not fit into the 128 MiB that are reserved"));
    EXPECT_THAT(error.ToString(), HasSubstr("add crashkernel=192M"));
    EXPECT_THAT(error.ToString(), HasSubstr("in place of crashkernel=128M"));
  }
}

TEST(Load, AnInvalidArgumentSaysWhatItIsNot) {
  MadeMachine machine;
  fakes::FakeKexec kexec;
  kexec.on_load = [] { return FailErrno("kexec_file_load", EINVAL); };
  Error error = Load(machine.host(), Prepare(machine.host(), {}), kexec).error();
  EXPECT_THAT(error.ToString(), HasSubstr("these were looked for"));
}

TEST(Prepare, SaysThatTheKernelCannotBeRelocated) {
  MadeMachine machine;
  auto image = MadeKernel(kMadeRelease);
  Store<uint16_t>(image.data() + 0x236, 1, Endian::kLittle);
  machine.tree.File("/boot/vmlinuz-" + std::string(kMadeRelease), image);
  EXPECT_THAT(FailuresOf(machine), ElementsAre("kernel-image"));
}

TEST(Prepare, SaysThatTheCommandLineIsTooLongForThisKernel) {
  MadeMachine machine;
  auto image = MadeKernel(kMadeRelease);
  Store<uint32_t>(image.data() + 0x238, 64, Endian::kLittle);
  machine.tree.File("/boot/vmlinuz-" + std::string(kMadeRelease), image);
  EXPECT_THAT(FailuresOf(machine), ElementsAre("command-line"));
}

TEST(Prepare, SaysThatTheMachineIsTooSmallForTheImage) {
  MadeMachine machine;
  machine.tree.File("/proc/meminfo", "MemTotal:  90000 kB\n");
  EXPECT_THAT(FailuresOf(machine), ElementsAre("memory"));
}

TEST(Load, RefusesWhatIsNotReady) {
  MadeMachine machine;
  fakes::FakeKexec kexec;
  machine.tree.Remove("/proc/self/status");
  EXPECT_EQ(Load(machine.host(), Prepare(machine.host(), {}), kexec).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(kexec.kernel, "");
}

TEST(KexecAdvice, NamesTheCauseOfEachErrnoThatPeopleMeet) {
  EXPECT_THAT(KexecAdvice(EPERM, KexecPlace::kReserved), HasSubstr("kexec_load_disabled"));
  EXPECT_THAT(KexecAdvice(EPERM, KexecPlace::kReserved), HasSubstr("container"));
  EXPECT_THAT(KexecAdvice(ENOSYS, KexecPlace::kReserved), HasSubstr("CONFIG_KEXEC_FILE"));
  for (int number : {EKEYREJECTED, ENOKEY, ENODATA})
    EXPECT_THAT(KexecAdvice(number, KexecPlace::kReserved), HasSubstr("not signed"));
  for (int number : {EADDRNOTAVAIL, ENOMEM})
    EXPECT_THAT(KexecAdvice(number, KexecPlace::kReserved), HasSubstr("reserved memory"));
  EXPECT_EQ(KexecAdvice(ENOMEM, KexecPlace::kAnywhere), "no free memory for it");
  EXPECT_THAT(KexecAdvice(ENOEXEC, KexecPlace::kReserved), HasSubstr("not a kernel image"));
  EXPECT_THAT(KexecAdvice(EBUSY, KexecPlace::kReserved), HasSubstr("another kexec load"));
  EXPECT_EQ(KexecAdvice(EIO, KexecPlace::kReserved), "");
}

}  // namespace
}  // namespace hmem::loader
