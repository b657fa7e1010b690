// SPDX-License-Identifier: GPL-2.0-or-later
// kdump-arm: loads the capture kernel, says whether it is loaded, or why it cannot be; reboots
// through kexec. See kdump-arm(8).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <sstream>
#include <string>

#include "dumptools/capture/filter/page_filter.h"
#include "dumptools/capture/filter/wanted.h"
#include "dumptools/loader/arming.h"
#include "dumptools/loader/command_line.h"
#include "dumptools/loader/config.h"
#include "dumptools/loader/reservation.h"
#include "dumptools/tools/kdump-arm/arm_machine.h"
#include "dumptools/tools/kdump-arm/armed_state.h"
#include "dumptools/tools/kdump-arm/estimate_command.h"
#include "dumptools/tools/kdump-arm/fastboot_command.h"

namespace hmem::arm {
namespace {

constexpr int kExitComplete = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitLosses = 3;

struct Options {
  std::string config_path{loader::kConfigPath};
  bool config_named = false;
  bool json = false;
};

// Where stderr takes nothing the exit code still tells.
void Talk(const std::string& line) {
  std::fputs(fmt::format("kdump-arm: {}\n", line).c_str(), stderr);
}

int Complain(const Error& error) {
  Talk(error.ToString());
  return kExitFailed;
}

// Whether all of it arrived is asked once, at the end.
void Answer(const std::string& text) { std::fputs(text.c_str(), stdout); }

bool Answered() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

// No file is the default configuration, unless one was asked for by name.
Result<loader::Config> ReadConfig(const loader::Host& host, const Options& options) {
  if (!options.config_named && !host.IsNamed(options.config_path)) return loader::Config();
  HMEM_ASSIGN(std::string text, host.Read(options.config_path));
  HMEM_ASSIGN(auto config, loader::ParseConfig(text, options.config_path));
  // hmemdump would refuse them, in the worst hour.
  HMEM_TRY(Within(options.config_path + ": exclude", capture::PageFilter::Parse(config.exclude)));
  for (const std::string& word : loader::CommandLineWords(config.keep))
    HMEM_TRY(Within(options.config_path + ": keep", capture::Wanted::Parse(word)));
  return config;
}

int Arm(const loader::Host& host, const Options& options) {
  auto config = ReadConfig(host, options);
  if (!config) return Complain(config.error());
  loader::Preparation preparation = loader::Prepare(host, *config);
  for (const loader::CheckItem& item : preparation.checks) {
    if (item.state == loader::CheckItem::State::kOk) continue;
    Talk(fmt::format("{}{}: {}",
                     item.state == loader::CheckItem::State::kWarning ? "warning: " : "", item.text,
                     item.advice));
  }
  if (!preparation.Ready()) {
    // A refusal says already that nothing will be saved; that an older image still would be is
    // news.
    if (loader::CrashKernelLoaded(host).value_or(false)) Talk(WhatIsLoaded(host));
    return kExitFailed;
  }
  loader::SystemKexec kexec;
  auto state = ArmMachine(host, preparation, kexec, std::time(nullptr));
  if (!state) return Complain(state.error());
  Answer(fmt::format("armed: {} ({}), capture kernel {}, initramfs {} KiB\n", state->target,
                     state->target_device, state->kernel_release, state->initramfs_bytes / 1024));
  return kExitComplete;
}

int Disarm(const loader::Host& host) {
  auto loaded = loader::CrashKernelLoaded(host);
  if (!loaded) return Complain(loaded.error());
  if (*loaded) {
    loader::SystemKexec kexec;
    if (auto unloaded = kexec.UnloadCrashKernel(); !unloaded) return Complain(unloaded.error());
  }
  if (auto removed = RemoveState(host); !removed) return Complain(removed.error());
  Answer(*loaded ? "disarmed\n" : "nothing was loaded\n");
  return kExitComplete;
}

int ShowStatus(const loader::Host& host, const Options& options) {
  auto status = ReadStatus(host);
  if (!status) {
    if (options.json) Answer(StatusErrorJson(status.error()));
    return Complain(status.error());
  }
  Answer(options.json ? StatusJson(*status) : StatusText(*status));
  return status->armed() ? kExitComplete : kExitFailed;
}

int Check(const loader::Host& host, const Options& options) {
  auto config = ReadConfig(host, options);
  if (!config) return Complain(config.error());
  loader::Preparation preparation = loader::Prepare(host, *config);
  Answer(options.json ? CheckJson(preparation) : CheckText(preparation));
  return preparation.Ready() ? kExitComplete : kExitFailed;
}

int Estimate(const loader::Host& host, const Options& options) {
  auto config = ReadConfig(host, options);
  if (!config) return Complain(config.error());
  MemoryEstimate estimate = EstimateOf(host, loader::Prepare(host, *config));
  Answer(options.json ? EstimateJson(estimate) : EstimateText(estimate));
  return estimate.unknown.empty() ? kExitComplete : kExitLosses;
}

int Run(int argc, char** argv) {
  CLI::App app("Loads the capture kernel that saves a crash of this one.", "kdump-arm");
  app.set_version_flag("--version", "kdump-arm " HMEM_VERSION);
  app.set_help_flag("--help", "this text");
  Options options;
  auto* config =
      app.add_option("--config", options.config_path, "configuration file")->type_name("FILE");
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.add_subcommand("arm", "build the capture initramfs and load the capture kernel (default)");
  auto* disarm = app.add_subcommand("disarm", "unload the capture kernel");
  auto* status =
      app.add_subcommand("status", "say whether it is loaded; exit 0 when it is, 1 when not");
  auto* check =
      app.add_subcommand("check", "say whether this machine can be armed, touching nothing");
  FastbootCommand fastboot(app);
  auto* estimate = app.add_subcommand(
      "estimate", "say which crashkernel= this machine needs and why, touching nothing");
  for (CLI::App* verb : {status, check, estimate})
    verb->add_flag("--json", options.json, "as JSON");
  for (CLI::App* verb : app.get_subcommands({})) verb->set_help_flag("--help", "this text");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    std::ostringstream text;
    int code = app.exit(success, text, text);
    Answer(text.str());
    return code;
  } catch (const CLI::ParseError& error) {
    Talk(fmt::format("{}\nTry kdump-arm --help.", error.what()));
    return kExitUsage;
  }
  options.config_named = config->count() > 0;
  loader::Host host;
  if (disarm->parsed()) return Disarm(host);
  if (status->parsed()) return ShowStatus(host, options);
  if (check->parsed()) return Check(host, options);
  if (fastboot.parsed()) {
    loader::SystemRebootKexec kexec;
    FastbootReply reply = fastboot.Run(host, kexec, std::time(nullptr), Talk);
    Answer(reply.answer);
    return reply.exit;
  }
  if (estimate->parsed()) return Estimate(host, options);
  return Arm(host, options);
}

int Main(int argc, char** argv) {
  int status = Run(argc, argv);
  if (Answered()) return status;
  Talk("standard output: cannot be written");
  return kExitFailed;
}

}  // namespace
}  // namespace hmem::arm

int main(int argc, char** argv) { return hmem::arm::Main(argc, argv); }
