// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/arming.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "dumptools/loader/capture_cpus.h"
#include "dumptools/loader/command_line.h"
#include "dumptools/loader/device_driver.h"
#include "dumptools/loader/initramfs.h"
#include "dumptools/loader/module_index.h"
#include "dumptools/loader/module_options.h"
#include "dumptools/loader/reservation.h"

namespace hmem::loader {
namespace {

constexpr uint64_t kMiB = 1 << 20;

Result<ResolvedTarget> ResolveTarget(const Host& host, const Config& config) {
  if (config.target_kind == plan::Target::Kind::kDevice)
    return ResolveDeviceTarget(host, config.target);
  return ResolvePathTarget(host, config.target);
}

std::string TargetAdvice(const Host& host, const Error& error, const Config& config) {
  if (config.target_kind == plan::Target::Kind::kPath && !host.Exists(config.target)) {
    return fmt::format("mkdir -p {}, or name another target in {}", config.target, kConfigPath);
  }
  if (error.errno_value() == EACCES || error.errno_value() == EPERM) return "run it with sudo";
  if (error.errno_value() == EROFS) {
    return fmt::format("mount it for writing, or name another target in {}", kConfigPath);
  }
  return fmt::format(
      "name a directory on ext4 or xfs directly on a disk, or an unused disk, with target = in {}",
      kConfigPath);
}

// Files that bring back what drives `device`.
Result<std::vector<std::string>> ModulesOf(const ModuleIndex& index, const PathDevice& device,
                                           bool same_release) {
  if (same_release) {
    // modules.builtin does not tell of all that is built in: what has no MODULE_LICENSE
    // (pcieportdrv) is not listed.
    if (device.driver.empty() || device.built_in) return std::vector<std::string>();
    return index.LoadOrder(device.driver);
  }
  // Built into this kernel and modular in the other, or the other way round, or renamed.
  std::vector<std::string> files;
  bool known = false;
  for (const std::string& name : {device.driver, device.modalias}) {
    if (name.empty()) continue;
    auto order = index.LoadOrder(name);
    if (!order && order.error().code() != ErrorCode::kNotFound) return order;
    if (!order) continue;
    known = true;
    files.insert(files.end(), order->begin(), order->end());
  }
  if (!known && !device.driver.empty() && !device.built_in) return index.LoadOrder(device.driver);
  return files;
}

// Whether another release, which brought no module for the device, may lack its driver. Its list of
// what is built in does not tell of all; bridges work without a driver.
bool MayLackDriver(const ModuleIndex& index, const PathDevice& device) {
  if (device.driver.empty() || !device.built_in || index.IsBuiltin(device.driver)) return false;
  return device.modalias.find("bc06sc") == std::string::npos;
}

struct TargetModules {
  std::vector<std::string> files;    // in load order
  std::vector<std::string> unknown;  // drivers that the capture kernel may lack
};

Result<TargetModules> ModulesFor(const Host& host, const KernelImage& kernel,
                                 const ResolvedTarget& target) {
  HMEM_ASSIGN(ModuleIndex index, ModuleIndex::Open(host, "/lib/modules/" + kernel.release));
  TargetModules modules;
  std::vector<std::string>& files = modules.files;
  auto take = [&](const std::vector<std::string>& order) {
    for (const std::string& file : order) {
      if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
    }
  };
  bool same_release = kernel.release == host.KernelRelease().value_or("");
  for (const PathDevice& device : target.devices) {
    HMEM_ASSIGN(auto order, ModulesOf(index, device, same_release));
    if (!same_release && order.empty() && MayLackDriver(index, device))
      modules.unknown.push_back(device.driver);
    take(order);
  }
  const std::string& type = target.target.file_system.type;
  if (!type.empty()) {
    HMEM_ASSIGN(auto order, index.LoadOrder(index.IsBuiltin(type) ? type : "fs-" + type));
    take(order);
  }
  // Last: the target matters more, and a machine without its watchdog can still save a dump.
  for (const PathDevice& device : WatchdogDevices(host)) {
    if (auto order = ModulesOf(index, device, same_release)) take(*order);
  }
  return modules;
}

Result<std::string> MakeCommandLine(const Host& host, const Config& config,
                                    const std::optional<KernelImage>& kernel,
                                    const CaptureCpus& cpus) {
  CommandLineFacts facts;
  if (kernel) facts.kernel_takes_bytes = kernel->command_line_bytes;
  HMEM_ASSIGN(facts.running, host.ReadLine("/proc/cmdline"));
  facts.active_consoles = host.ReadLine("/sys/class/tty/console/active").value_or("");
  facts.cpus = cpus.cpus;
  facts.one_at_first = cpus.one_at_first;
  facts.boot_apic_id = cpus.boot_apic_id;
  facts.panic_timeout_s = config.panic_timeout_s;
  facts.append = config.append;
  return CaptureCommandLine(facts);
}

// Fills the fields of `preparation` one after the other, a check for each.
class Preparer {
 public:
  Preparer(const Host& host, const Config& config) : host_(host), config_(config) {}

  Preparation Run() {
    Add(CheckRoot(host_));
    Add(CheckKexec(host_));
    Add(CheckPanicOnOops(host_));
    PrepareKernel();
    PrepareTarget();
    PrepareModules();
    PrepareSource();
    PrepareIdentity();
    PrepareCommandLine();
    PrepareInitramfs();
    out_.footprint =
        EstimateFootprint({.release = out_.kernel ? out_.kernel->release : "",
                           .init_size_bytes = out_.kernel ? out_.kernel->init_size_bytes : 0,
                           .initramfs_bytes = out_.initramfs_unpacked_bytes,
                           .cpus = cpus_.cpus});
    // Without crash kexec nothing can be reserved either; CheckKexec has said so.
    if (!ReservedBytes(host_)) return std::move(out_);
    uint64_t image = out_.kernel && !out_.initramfs.empty()
                         ? ImageBytes(out_.kernel->init_size_bytes, out_.initramfs.size())
                         : 0;
    Add(CheckReservation(host_, out_.footprint.advised_bytes, image));
    if (image != 0) Add(CheckMemory(host_, image));
    return std::move(out_);
  }

 private:
  void Add(CheckItem item) { out_.checks.push_back(std::move(item)); }
  void Refuse(std::string_view id, const Error& error, std::string advice) {
    Add(Failed(id, error.ToString(), std::move(advice)));
  }

  void PrepareKernel() {
    out_.kernel_path = config_.kernel;
    if (out_.kernel_path.empty()) {
      auto release = host_.KernelRelease();
      if (!release) return Refuse("kernel-image", release.error(), "mount /proc");
      out_.kernel_path = "/boot/vmlinuz-" + *release;
    }
    auto kernel = ReadKernelImage(host_, out_.kernel_path);
    if (!kernel)
      return Refuse("kernel-image", kernel.error(),
                    fmt::format("name one with kernel = in {}", kConfigPath));
    out_.kernel = *std::move(kernel);
    Add(Passed("kernel-image", fmt::format("{} is {}", out_.kernel_path, out_.kernel->release)));
    Add(CheckKernelConfig(host_, out_.kernel->release));
    Add(CheckLockdown(host_, *out_.kernel, "with kernel = in kdump-arm.conf"));
  }

  void PrepareTarget() {
    auto target = ResolveTarget(host_, config_);
    if (!target)
      return Refuse("target", target.error(), TargetAdvice(host_, target.error(), config_));
    out_.target = *std::move(target);
    const plan::Target& found = out_.target->target;
    if (found.kind == plan::Target::Kind::kPath) {
      Add(Passed("target", fmt::format("{} is {} on {} ({})", found.name, found.directory,
                                       out_.target->device_node, found.file_system.type)));
      Add(CheckFreeSpace(host_, found.name));
    } else {
      Add(Passed("target", found.name));
      Add(CheckDeviceSize(host_, found.name, found.sectors * 512));
    }
  }

  void PrepareModules() {
    if (!out_.kernel || !out_.target) return;
    const std::string& release = out_.kernel->release;
    auto modules = ModulesFor(host_, *out_.kernel, *out_.target);
    if (!modules)
      return Refuse("modules", modules.error(),
                    fmt::format("install the modules of {} and run depmod", release));
    out_.module_files = std::move(modules->files);
    have_modules_ = true;
    if (!modules->unknown.empty()) {
      return Add(Warned(
          "modules",
          fmt::format("{} needed; {} (built into this kernel): neither a module of {} nor listed "
                      "as built into it",
                      out_.module_files.size(), fmt::join(modules->unknown, ", "), release),
          fmt::format("make sure that {} has it, or the target is not found after a crash",
                      release)));
    }
    Add(Passed("modules", fmt::format("{} needed", out_.module_files.size())));
  }

  void PrepareSource() {
    if (!out_.kernel) return;
    const std::string& release = out_.kernel->release;
    auto index = ModuleIndex::Open(host_, "/lib/modules/" + release);
    if (!index) return;  // PrepareModules() has said so
    DeviceDriver driver = FindDeviceDriver(host_, *index, release,
                                           host_.Read("/boot/config-" + release).value_or(""));
    Add(CheckSource(config_.source, driver));
    bool device = driver.usable && config_.source != plan::SourceChoice::kVmcore;
    out_.source = device ? "/dev/hmem" : "/proc/vmcore";
    if (device) out_.device_module_files = std::move(driver.files);
  }

  void PrepareIdentity() {
    auto identity = MakeIdentity(host_, config_.labels);
    if (!identity) return Refuse("identity", identity.error(), "run systemd-machine-id-setup");
    out_.identity = *std::move(identity);
    if (out_.identity.host_id.empty()) {
      Add(Warned("identity", "/etc/machine-id: missing or empty; crashes will carry no host id",
                 "run systemd-machine-id-setup"));
    } else {
      Add(Passed("identity", fmt::format("host id {}", out_.identity.host_id)));
    }
  }

  void PrepareCommandLine() {
    cpus_ = ChooseCaptureCpus(host_, config_.cpus);
    Add(CheckCaptureCpus(host_, config_.cpus, cpus_));
    auto line = MakeCommandLine(host_, config_, out_.kernel, cpus_);
    if (!line)
      return Refuse("command-line", line.error(),
                    fmt::format("change cpus = or append = in {}", kConfigPath));
    out_.command_line = *std::move(line);
    Add(Passed("command-line", out_.command_line));
  }

  void PrepareInitramfs() {
    if (!have_modules_) return;
    InitramfsInput input;
    input.plan.target = out_.target->target;
    input.plan.source = config_.source;
    input.plan.deadlines = config_.deadlines;
    input.plan.final_action = config_.final_action;
    input.plan.exclude = config_.exclude;
    input.plan.keep = config_.keep;
    if (cpus_.one_at_first) input.plan.dump_cpus = cpus_.cpus;
    input.module_files = out_.module_files;
    input.device_module_files = out_.device_module_files;
    input.module_options = ReadModuleOptions(host_);
    input.identity = out_.identity;
    auto initramfs = BuildInitramfs(host_, input);
    if (!initramfs)
      return Refuse("initramfs", initramfs.error(),
                    "install hmem completely, and depmod's kernel package");
    out_.initramfs_unpacked_bytes = initramfs->size();
    if (KernelHas(host_, out_.kernel->release, "CONFIG_RD_GZIP")) {
      initramfs = PackInitramfs(*initramfs);
      if (!initramfs) return Refuse("initramfs", initramfs.error(), "free some memory");
    }
    out_.initramfs = *std::move(initramfs);
    Add(Passed("initramfs", fmt::format("{} KiB, {} KiB unpacked", out_.initramfs.size() / 1024,
                                        out_.initramfs_unpacked_bytes / 1024)));
  }

  const Host& host_;
  const Config& config_;
  Preparation out_;
  CaptureCpus cpus_;
  bool have_modules_ = false;
};

}  // namespace

bool Preparation::Ready() const {
  return std::none_of(checks.begin(), checks.end(), [](const CheckItem& item) {
    return item.state == CheckItem::State::kFailed;
  });
}

Preparation Prepare(const Host& host, const Config& config) { return Preparer(host, config).Run(); }

std::string LoadAdvice(const Host& host, const Preparation& preparation, int errno_value) {
  uint64_t reserved = ReservedBytes(host).value_or(0);
  switch (errno_value) {
    case ENOMEM:
    case EADDRNOTAVAIL:
      return fmt::format("the image did not fit into the {} MiB that are reserved; {}",
                         reserved / kMiB, ReservationAdvice(host, NextStepBytes(reserved)));
    case EINVAL:
      return fmt::format(
          "the kernel does not say why. It is not an image without a 64-bit entry or that cannot "
          "be relocated, too long a command line, or an image larger than the reserved memory or "
          "half of the rest: these were looked for. The image is {}signed. dmesg may say more",
          preparation.kernel && preparation.kernel->is_signed ? "" : "not ");
    default:
      return "";
  }
}

Status Load(const Host& host, const Preparation& preparation, Kexec& kexec) {
  if (!preparation.Ready()) return Fail(ErrorCode::kInvalidArgument, "a check failed");
  auto done = kexec.LoadCrashKernel(host.At(preparation.kernel_path), preparation.initramfs,
                                    preparation.command_line);
  if (!done) {
    std::string advice = LoadAdvice(host, preparation, done.error().errno_value());
    if (advice.empty()) return done;
    return std::unexpected(std::move(done).error().Within(advice));
  }
  HMEM_ASSIGN(bool loaded, CrashKernelLoaded(host));
  if (!loaded)
    return Fail(ErrorCode::kIo, "the kernel took the image but does not say that it is loaded");
  return {};
}

}  // namespace hmem::loader
