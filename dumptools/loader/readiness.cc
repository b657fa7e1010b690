// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/readiness.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <charconv>

#include "capture-kernel/plan/key_value_text.h"
#include "dumptools/loader/reservation.h"

namespace hmem::loader {
namespace {

constexpr uint64_t kMiB = 1 << 20;
// The record and its directory; less than this and nothing can be saved.
constexpr uint64_t kMinFreeBytes = 16 * kMiB;
constexpr std::string_view kSecureBoot =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

// efivarfs: four bytes of attributes, then the value.
bool SecureBootOn(const Host& host) {
  auto variable = host.Read(kSecureBoot);
  return variable && variable->size() == 5 && (*variable)[4] == 1;
}

// "CapEff:" of /proc/self/status, hexadecimal.
uint64_t EffectiveCapabilities(std::string_view status) {
  constexpr std::string_view kKey = "\nCapEff:\t";
  size_t at = status.find(kKey);
  if (at == std::string_view::npos) return 0;
  status.remove_prefix(at + kKey.size());
  uint64_t capabilities = 0;
  std::from_chars(status.data(), status.data() + status.size(), capabilities, 16);
  return capabilities;
}

// It alone maps all 2^32 - 1 ids: "         0          0 4294967295".
bool IsFirstUserNamespace(std::string_view uid_map) {
  return uid_map.find(" 4294967295\n") != std::string_view::npos;
}

uint64_t MemTotalBytes(const Host& host) {
  std::string text = host.Read("/proc/meminfo").value_or("");
  constexpr std::string_view kKey = "MemTotal:";
  size_t at = text.find(kKey);
  if (at == std::string::npos) return 0;
  std::string_view rest = std::string_view(text).substr(at + kKey.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  auto kib = plan::ParseNumber(rest.substr(0, rest.find(' ')), 0, UINT64_MAX / 1024);
  return kib ? *kib * 1024 : 0;
}

// What can be written against what a dump may take.
CheckItem JudgeSpace(const Host& host, uint64_t bytes, std::string text) {
  if (bytes < kMinFreeBytes) {
    return Failed("free-space", std::move(text),
                  "make room, or name another target in kdump-arm.conf");
  }
  uint64_t memory = MemTotalBytes(host);
  if (bytes < memory) {
    return Warned("free-space", fmt::format("{}, memory has {} MiB", text, memory / kMiB),
                  "a dump may be cut when the disk is full; what is written can be read");
  }
  return Passed("free-space", std::move(text));
}

// Of what is loaded with kexec_file_load(2): a crash kernel, or the kernel of a reboot.
struct KexecUse {
  std::string_view what;
  std::string_view limit;           // of /proc/sys/kernel; the number of loads that are left
  std::string_view without_kexec;   // what to do about a kernel that lacks it
  std::string_view without_a_load;  // and about a limit that is used up
};

// `loaded` is what the kernel says of it; an error where it was built without.
CheckItem JudgeKexec(const Host& host, const Result<bool>& loaded, const KexecUse& use) {
  std::string build(use.without_kexec);
  if (!loaded) return Failed("kexec", loaded.error().ToString(), build);
  auto release = host.KernelRelease();
  auto config = release ? host.Read(fmt::format("/boot/config-{}", *release)) : release;
  if (config && config->find("\nCONFIG_KEXEC_FILE=y\n") == std::string::npos) {
    return Failed("kexec", fmt::format("{} is not built with CONFIG_KEXEC_FILE", *release), build);
  }
  auto line = [&](std::string_view name) {
    return host.ReadLine(fmt::format("/proc/sys/kernel/{}", name)).value_or("");
  };
  if (std::string disabled = line("kexec_load_disabled"); !disabled.empty() && disabled != "0") {
    return Failed(
        "kexec", "kernel.kexec_load_disabled is set, and can only be unset by a reboot",
        "remove kernel.kexec_load_disabled from /etc/sysctl.conf and /etc/sysctl.d and reboot");
  }
  // -1: no limit.
  if (line(use.limit) == "0") {
    return Failed("kexec", fmt::format("kernel.{} leaves no load of {}", use.limit, use.what),
                  std::string(use.without_a_load));
  }
  return Passed("kexec", fmt::format("this kernel can load {}", use.what));
}

std::string ConfigPath(std::string_view release) { return fmt::format("/boot/config-{}", release); }

bool BuiltIn(std::string_view config, std::string_view option) {
  return config.find(fmt::format("\n{}=y\n", option)) != std::string_view::npos;
}

}  // namespace

std::string_view CheckStateName(CheckItem::State state) {
  switch (state) {
    case CheckItem::State::kOk:
      return "ok";
    case CheckItem::State::kWarning:
      return "warning";
    case CheckItem::State::kFailed:
      return "failed";
  }
  return "failed";
}

CheckItem Passed(std::string_view id, std::string text) {
  return {std::string(id), CheckItem::State::kOk, std::move(text), ""};
}
CheckItem Warned(std::string_view id, std::string text, std::string advice) {
  return {std::string(id), CheckItem::State::kWarning, std::move(text), std::move(advice)};
}
CheckItem Failed(std::string_view id, std::string text, std::string advice) {
  return {std::string(id), CheckItem::State::kFailed, std::move(text), std::move(advice)};
}

// Of "none [integrity] confidentiality".
std::string LockdownMode(const Host& host) {
  std::string line = host.ReadLine("/sys/kernel/security/lockdown").value_or("");
  size_t open = line.find('[');
  size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "none";
  return line.substr(open + 1, close - open - 1);
}

CheckItem CheckRoot(const Host& host) {
  auto status = host.Read("/proc/self/status");
  if (!status) return Failed("root", status.error().ToString(), "mount /proc");
  if ((EffectiveCapabilities(*status) >> CAP_SYS_BOOT & 1) == 0) {
    return Failed("root", "this process does not have CAP_SYS_BOOT",
                  "run it with sudo, and not in a container");
  }
  if (auto map = host.Read("/proc/self/uid_map"); map && !IsFirstUserNamespace(*map)) {
    return Failed("root", "root of a user namespace (a container) cannot load a kernel",
                  "run it on the host");
  }
  return Passed("root", "has CAP_SYS_BOOT");
}

CheckItem CheckKexec(const Host& host) {
  return JudgeKexec(
      host, CrashKernelLoaded(host),
      {"a crash kernel", "kexec_load_limit_panic",
       "boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP", "reboot, and arm only once"});
}

CheckItem CheckRebootKexec(const Host& host) {
  return JudgeKexec(host, RebootKernelLoaded(host),
                    {"a kernel to reboot into", "kexec_load_limit_reboot",
                     "boot a kernel with CONFIG_KEXEC_FILE; until then reboot in the ordinary way",
                     "reboot in the ordinary way"});
}

CheckItem CheckPanicOnOops(const Host& host) {
  auto value = host.ReadLine("/proc/sys/kernel/panic_on_oops");
  if (!value) {
    return Warned("panic-on-oops", value.error().ToString(),
                  "make sure that kernel.panic_on_oops is 1");
  }
  if (*value != "0") return Passed("panic-on-oops", "an oops is a panic, and saved");
  return Warned(
      "panic-on-oops",
      "kernel.panic_on_oops is 0: a bad pointer in a task kills that task alone, and nothing is "
      "saved",
      "write the line kernel.panic_on_oops = 1 into /etc/sysctl.d/90-hmem.conf and run "
      "sysctl --system");
}

CheckItem CheckLockdown(const Host& host, const KernelImage& image, std::string_view how) {
  std::string mode = LockdownMode(host);
  bool secure_boot = SecureBootOn(host);
  if (mode == "none") {
    return Passed("lockdown", secure_boot ? "Secure Boot is on, the kernel is not locked down"
                                          : "not locked down");
  }
  std::string why = fmt::format("the kernel is locked down ({}{})", mode,
                                secure_boot ? ", Secure Boot is on" : "");
  if (!image.is_signed) {
    return Failed("lockdown", fmt::format("{} and {} is not signed", why, image.release),
                  fmt::format("name the distribution's signed kernel {}", how));
  }
  return Passed("lockdown", fmt::format("{} and {} is signed", why, image.release));
}

bool KernelHas(const Host& host, std::string_view release, std::string_view option) {
  auto config = host.Read(ConfigPath(release));
  return config && BuiltIn(*config, option);
}

CheckItem CheckKernelConfig(const Host& host, std::string_view release) {
  std::string path = ConfigPath(release);
  if (!host.Exists(path))
    return Passed("kernel-config", fmt::format("{} is not there; not checked", path));
  auto config = host.Read(path);
  if (!config) {
    return Warned("kernel-config",
                  fmt::format("{}; not known whether the capture kernel has /proc/vmcore",
                              config.error().ToString()),
                  "make sure that it has CONFIG_CRASH_DUMP and CONFIG_PROC_VMCORE");
  }
  for (std::string_view option :
       {"CONFIG_CRASH_DUMP", "CONFIG_PROC_VMCORE", "CONFIG_BLK_DEV_INITRD", "CONFIG_DEVTMPFS"}) {
    if (!BuiltIn(*config, option)) {
      return Failed("kernel-config", fmt::format("{} is not built with {}", release, option),
                    "name a kernel that is with kernel = in kdump-arm.conf");
    }
  }
  return Passed("kernel-config", fmt::format("{} has what a capture kernel needs", release));
}

CheckItem CheckReservation(const Host& host, uint64_t advised_bytes, uint64_t image_bytes) {
  auto reserved = ReservedBytes(host);
  if (!reserved) {
    return Failed("reserved-memory", reserved.error().ToString(),
                  "boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP");
  }
  std::string advice = ReservationAdvice(host, advised_bytes);
  if (*reserved == 0)
    return Failed("reserved-memory", "no memory is reserved for a capture kernel", advice);
  if (*reserved < image_bytes) {
    return Failed("reserved-memory",
                  fmt::format("{} MiB are reserved, kernel and initramfs alone take {} MiB",
                              *reserved / kMiB, (image_bytes + kMiB - 1) / kMiB),
                  advice);
  }
  if (*reserved < advised_bytes) {
    return Warned("reserved-memory",
                  fmt::format("{} MiB are reserved, {} MiB are advised", *reserved / kMiB,
                              advised_bytes / kMiB),
                  advice);
  }
  return Passed("reserved-memory", fmt::format("{} MiB are reserved", *reserved / kMiB));
}

// sanity_check_segment_list() of kernel/kexec_core.c: EINVAL past half of totalram_pages(), which
// is what MemTotal shows.
CheckItem CheckMemory(const Host& host, uint64_t image_bytes) {
  uint64_t memory = MemTotalBytes(host);
  if (memory != 0 && image_bytes > memory / 2) {
    return Failed(
        "memory",
        fmt::format("kernel and initramfs take {} MiB, and kexec loads at most half of the {} MiB "
                    "of memory that are not reserved",
                    (image_bytes + kMiB - 1) / kMiB, memory / kMiB),
        "give the machine more memory; a larger crashkernel= would leave even less");
  }
  return Passed("memory", fmt::format("{} MiB", memory / kMiB));
}

CheckItem CheckFreeSpace(const Host& host, std::string_view path) {
  struct statvfs fs;
  if (::statvfs(host.At(path).c_str(), &fs) != 0) {
    return Failed("free-space", Error::FromErrno(path, errno).ToString(),
                  "name another target in kdump-arm.conf");
  }
  uint64_t free_bytes = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  return JudgeSpace(host, free_bytes,
                    fmt::format("{} MiB are free in {}", free_bytes / kMiB, path));
}

CheckItem CheckDeviceSize(const Host& host, std::string_view device, uint64_t bytes) {
  return JudgeSpace(host, bytes, fmt::format("{} has {} MiB", device, bytes / kMiB));
}

}  // namespace hmem::loader
