// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/fastboot.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "dumptools/loader/command_line.h"
#include "dumptools/loader/reservation.h"

namespace hmem::loader {
namespace {

constexpr std::string_view kBoot = "/boot";
// What sd_booted(3) of systemd looks for.
constexpr std::string_view kSystemdRuns = "/run/systemd/system";

// The name an initrd has beside a kernel of `release`: Debian, then Fedora and Arch, then SUSE.
std::array<std::string, 3> InitrdNames(std::string_view release) {
  return {fmt::format("initrd.img-{}", release), fmt::format("initramfs-{}.img", release),
          fmt::format("initrd-{}", release)};
}

std::string FolderOf(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string(".") : std::string(path.substr(0, slash));
}

// Fills the fields of `preparation` one after the other, a check for each.
class Preparer {
 public:
  Preparer(const Host& host, const FastbootRequest& request) : host_(host), request_(request) {}

  FastbootPreparation Run() {
    Add(CheckRoot(host_));
    Add(CheckRebootKexec(host_));
    PrepareKernel();
    PrepareInitrd();
    PrepareCommandLine();
    if (out_.kernel)
      Add(CheckMemory(host_, ImageBytes(out_.kernel->init_size_bytes, out_.initrd_bytes)));
    return std::move(out_);
  }

 private:
  void Add(CheckItem item) { out_.checks.push_back(std::move(item)); }

  void PrepareKernel() {
    std::string path = request_.kernel;
    if (path.empty()) {
      auto release = host_.KernelRelease();
      if (!release) return Add(Failed("kernel-image", release.error().ToString(), "mount /proc"));
      path = fmt::format("{}/vmlinuz-{}", kBoot, *release);
    }
    auto real = host_.RealPath(path);
    auto kernel = real ? ReadKernelImage(host_, *real) : std::unexpected(real.error());
    if (!kernel)
      return Add(Failed("kernel-image", kernel.error().ToString(), "name one with --kernel"));
    out_.kernel_path = *std::move(real);
    out_.kernel = *std::move(kernel);
    const std::string& release = out_.kernel->release;
    Add(Passed("kernel-image", fmt::format("{} is {}", out_.kernel_path, release)));
    Add(CheckLockdown(host_, *out_.kernel, "with --kernel"));
    std::string modules = fmt::format("/lib/modules/{}", release);
    if (host_.IsDirectory(modules)) {
      Add(Passed("modules", modules));
    } else {
      Add(Warned("modules", fmt::format("{} is not there", modules),
                 fmt::format("{} will have the drivers that are built in or in its initrd, and no "
                             "others; install its package",
                             release)));
    }
  }

  // Where the request names none. Empty, and a check that failed, when there is none.
  std::string FindInitrd() {
    std::vector<std::string> looked;
    for (const std::string& folder : {FolderOf(out_.kernel_path), std::string(kBoot)}) {
      for (const std::string& name : InitrdNames(out_.kernel->release)) {
        std::string path = fmt::format("{}/{}", folder, name);
        if (host_.Exists(path)) return path;
        if (std::find(looked.begin(), looked.end(), path) == looked.end()) looked.push_back(path);
      }
    }
    Add(Failed(
        "initrd",
        fmt::format("{} has no initrd: none of {}", out_.kernel->release, fmt::join(looked, ", ")),
        fmt::format("make it (update-initramfs -c -k {}), name one with --initrd, or say "
                    "--no-initrd for a kernel that needs none",
                    out_.kernel->release)));
    return "";
  }

  void PrepareInitrd() {
    if (request_.no_initrd) return Add(Passed("initrd", "none, as asked for"));
    std::string path = request_.initrd;
    if (path.empty()) {
      if (!out_.kernel) return;
      path = FindInitrd();
      if (path.empty()) return;
    }
    auto refuse = [&](std::string text) {
      Add(Failed("initrd", std::move(text), "name one with --initrd"));
    };
    auto real = host_.RealPath(path);
    if (!real) return refuse(real.error().ToString());
    struct stat st;
    if (::stat(host_.At(*real).c_str(), &st) != 0)
      return refuse(Error::FromErrno(path, errno).ToString());
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
      return refuse(fmt::format("{}: {}", path, S_ISREG(st.st_mode) ? "empty" : "not a file"));
    out_.initrd_path = *std::move(real);
    out_.initrd_bytes = static_cast<uint64_t>(st.st_size);
    Add(Passed("initrd", fmt::format("{}, {} KiB", out_.initrd_path, out_.initrd_bytes / 1024)));
  }

  void PrepareCommandLine() {
    if (request_.command_line) {
      out_.command_line = *request_.command_line;
    } else {
      auto running = host_.ReadLine("/proc/cmdline");
      if (!running)
        return Add(Failed("command-line", running.error().ToString(),
                          "mount /proc, or give one with --command-line"));
      out_.command_line = ReusedCommandLine(*running, request_.append);
    }
    // command_line_bytes counts the NUL, which bzImage64_load() of the kernel does too.
    if (out_.kernel && out_.command_line.size() >= out_.kernel->command_line_bytes) {
      return Add(Failed("command-line",
                        fmt::format("{} bytes, {} takes {}", out_.command_line.size(),
                                    out_.kernel->release, out_.kernel->command_line_bytes - 1),
                        "give a shorter one with --command-line"));
    }
    Add(Passed("command-line", out_.command_line));
  }

  const Host& host_;
  const FastbootRequest& request_;
  FastbootPreparation out_;
};

}  // namespace

bool FastbootPreparation::Ready() const {
  return std::none_of(checks.begin(), checks.end(), [](const CheckItem& item) {
    return item.state == CheckItem::State::kFailed;
  });
}

FastbootPreparation PrepareFastboot(const Host& host, const FastbootRequest& request) {
  return Preparer(host, request).Run();
}

Status LoadFastboot(const Host& host, const FastbootPreparation& preparation, RebootKexec& kexec) {
  if (!preparation.Ready()) return Fail(ErrorCode::kInvalidArgument, "a check failed");
  auto done = kexec.LoadKernel(
      host.At(preparation.kernel_path),
      preparation.initrd_path.empty() ? std::string() : host.At(preparation.initrd_path),
      preparation.command_line);
  if (!done) {
    if (done.error().errno_value() != EINVAL) return done;
    return std::unexpected(std::move(done).error().Within(fmt::format(
        "the kernel does not say why. It is not an image without a 64-bit entry, too long a "
        "command "
        "line, or an image larger than half of memory: these were looked for. The image is "
        "{}signed. dmesg may say more",
        preparation.kernel->is_signed ? "" : "not ")));
  }
  HMEM_ASSIGN(bool loaded, RebootKernelLoaded(host));
  if (!loaded)
    return Fail(ErrorCode::kIo, "the kernel took the image but does not say that it is loaded");
  return {};
}

CheckItem CheckOrderlyReboot(const Host& host) {
  if (host.IsDirectory(kSystemdRuns))
    return Passed("reboot", "systemd stops services and unmounts");
  std::string init = host.ReadLine("/proc/1/comm").value_or("unknown");
  return Failed("reboot",
                fmt::format("the first process is {} and not systemd; its shutdown and reboot do "
                            "not know of kexec and would go through the firmware",
                            init),
                "stop services and unmount file systems yourself, then run kdump-arm fastboot exec "
                "--now");
}

}  // namespace hmem::loader
