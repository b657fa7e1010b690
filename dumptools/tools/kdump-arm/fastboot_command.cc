// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/fastboot_command.h"

#include <fmt/format.h>

#include "dumptools/loader/reservation.h"
#include "dumptools/tools/kdump-arm/fastboot_state.h"

namespace hmem::arm {
namespace {

constexpr int kExitComplete = 0;
constexpr int kExitFailed = 1;

using Talk = std::function<void(const std::string&)>;

FastbootReply Refuse(const Talk& talk, const std::string& why) {
  talk(why);
  return {kExitFailed, ""};
}

// False when it failed; a warning is told and lets the work go on.
bool Passes(const loader::CheckItem& item, const Talk& talk) {
  if (item.state == loader::CheckItem::State::kOk) return true;
  bool warning = item.state == loader::CheckItem::State::kWarning;
  talk(fmt::format("{}{}: {}", warning ? "warning: " : "", item.text, item.advice));
  return warning;
}

FastbootReply LoadNext(const loader::Host& host, const loader::FastbootRequest& request,
                       loader::RebootKexec& kexec, int64_t now_s, const Talk& talk) {
  loader::FastbootPreparation made = loader::PrepareFastboot(host, request);
  for (const loader::CheckItem& item : made.checks) Passes(item, talk);
  if (!made.Ready()) return {kExitFailed, ""};
  if (auto loaded = loader::LoadFastboot(host, made, kexec); !loaded)
    return Refuse(talk, loaded.error().ToString());
  FastbootState state = FastbootStateOf(made, now_s);
  if (auto saved = SaveFastbootState(host, state); !saved)
    return Refuse(talk, Within("loaded, but", std::move(saved)).error().ToString());
  return {kExitComplete,
          fmt::format("loaded: {} ({}), initrd {}, command line: {}\n", state.kernel_release,
                      state.kernel_path, state.initrd_path.empty() ? "none" : state.initrd_path,
                      state.command_line)};
}

FastbootReply Unload(const loader::Host& host, loader::RebootKexec& kexec, const Talk& talk) {
  if (!Passes(loader::CheckRoot(host), talk)) return {kExitFailed, ""};
  auto loaded = loader::RebootKernelLoaded(host);
  if (!loaded) return Refuse(talk, loaded.error().ToString());
  if (*loaded) {
    if (auto unloaded = kexec.UnloadKernel(); !unloaded)
      return Refuse(talk, unloaded.error().ToString());
  }
  if (auto removed = RemoveFastbootState(host); !removed)
    return Refuse(talk, removed.error().ToString());
  return {kExitComplete, *loaded ? "unloaded\n" : "nothing was loaded\n"};
}

FastbootReply Start(const loader::Host& host, loader::RebootKexec& kexec, bool now,
                    const Talk& talk) {
  if (!Passes(loader::CheckRoot(host), talk)) return {kExitFailed, ""};
  auto loaded = loader::RebootKernelLoaded(host);
  if (!loaded) return Refuse(talk, loaded.error().ToString());
  if (!*loaded)
    return Refuse(talk, "no kernel to reboot into is loaded: run kdump-arm fastboot load first");
  if (now) {
    talk(
        "starting the loaded kernel now: what is dirty is written back, but no service is stopped "
        "and no file system is unmounted");
    auto failed = kexec.StartNow();
    return Refuse(talk,
                  failed ? "the kernel came back from the reboot" : failed.error().ToString());
  }
  if (!Passes(loader::CheckOrderlyReboot(host), talk)) return {kExitFailed, ""};
  // Before: systemd may end this very process.
  talk("systemd stops services, unmounts, and starts the loaded kernel");
  if (auto started = kexec.StartThroughSystemd(); !started)
    return Refuse(talk, started.error().ToString());
  return {kExitComplete, ""};
}

FastbootReply Show(const loader::Host& host, bool json, const Talk& talk) {
  auto status = ReadFastbootStatus(host);
  if (!status) {
    FastbootReply reply = Refuse(talk, status.error().ToString());
    if (json) reply.answer = FastbootStatusErrorJson(status.error());
    return reply;
  }
  return {status->loaded ? kExitComplete : kExitFailed,
          json ? FastbootStatusJson(*status) : FastbootStatusText(*status)};
}

}  // namespace

FastbootCommand::FastbootCommand(CLI::App& app) {
  fastboot_ = app.add_subcommand("fastboot", "reboot through kexec, without the firmware");
  fastboot_->require_subcommand(1);
  load_ = fastboot_->add_subcommand("load", "load the kernel to reboot into");
  load_->add_option("--kernel", request_.kernel, "default: /boot/vmlinuz-RELEASE, the running one")
      ->type_name("FILE");
  auto* initrd = load_
                     ->add_option("--initrd", request_.initrd,
                                  "default: the one beside the kernel or in /boot for its release")
                     ->type_name("FILE");
  load_->add_flag("--no-initrd", request_.no_initrd, "the kernel needs none")->excludes(initrd);
  auto* append =
      load_->add_option("--append", request_.append, "add to the running kernel's command line")
          ->type_name("WORDS");
  auto* reuse = load_->add_flag(
      "--reuse-cmdline", reuse_,
      "the running kernel's command line without BOOT_IMAGE= and the like (default)");
  command_line_given_ = load_->add_option("--command-line", command_line_, "this one and no other")
                            ->type_name("LINE")
                            ->excludes(append)
                            ->excludes(reuse);
  exec_ = fastboot_->add_subcommand(
      "exec", "stop services, unmount, and start the loaded kernel (systemctl kexec)");
  exec_->add_flag("--now", now_, "start it at once: sync, but stop and unmount nothing");
  unload_ = fastboot_->add_subcommand("unload", "unload it: a reboot goes through the firmware");
  status_ = fastboot_->add_subcommand("status",
                                      "say whether one is loaded; exit 0 when it is, 1 when not");
  status_->add_flag("--json", json_, "as JSON");
  for (CLI::App* verb : {load_, exec_, unload_, status_})
    verb->set_help_flag("--help", "this text");
}

FastbootReply FastbootCommand::Run(const loader::Host& host, loader::RebootKexec& kexec,
                                   int64_t now_s, const Talk& talk) const {
  if (exec_->parsed()) return Start(host, kexec, now_, talk);
  if (unload_->parsed()) return Unload(host, kexec, talk);
  if (status_->parsed()) return Show(host, json_, talk);
  loader::FastbootRequest request = request_;
  if (command_line_given_->count() > 0) request.command_line = command_line_;
  return LoadNext(host, request, kexec, now_s, talk);
}

}  // namespace hmem::arm
