// SPDX-License-Identifier: GPL-2.0-or-later
// kdump-arm: loads the capture kernel, says whether it is loaded, or why it cannot be. See
// kdump-arm(8).
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>

#include "dumptools/loader/arming.h"
#include "dumptools/loader/config.h"
#include "dumptools/loader/reservation.h"
#include "dumptools/tools/kdump-arm/armed_state.h"

namespace hmem::arm {
namespace {

constexpr int kExitComplete = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Options {
  std::string config_path{loader::kConfigPath};
  bool config_named = false;
  bool json = false;
};

int Complain(const Error& error) {
  fmt::print(stderr, "kdump-arm: {}\n", error.ToString());
  return kExitFailed;
}

// No file is the default configuration, unless one was asked for by name.
Result<loader::Config> ReadConfig(const loader::Host& host, const Options& options) {
  if (!options.config_named && !host.Exists(options.config_path)) return loader::Config();
  HMEM_ASSIGN(std::string text, host.Read(options.config_path));
  return loader::ParseConfig(text, options.config_path);
}

int Arm(const loader::Host& host, const Options& options) {
  auto config = ReadConfig(host, options);
  if (!config) return Complain(config.error());
  loader::Preparation preparation = loader::Prepare(host, *config, ::geteuid() == 0);
  for (const loader::CheckItem& item : preparation.checks) {
    if (item.state == loader::CheckItem::State::kOk) continue;
    fmt::print(stderr, "kdump-arm: {}{}: {}\n",
               item.state == loader::CheckItem::State::kWarning ? "warning: " : "", item.text,
               item.advice);
  }
  if (!preparation.Ready()) return kExitFailed;
  loader::SystemKexec kexec;
  if (auto loaded = loader::Load(host, preparation, kexec); !loaded)
    return Complain(loaded.error());
  ArmedState state = StateOf(host, preparation, std::time(nullptr));
  if (auto saved = SaveState(host, state); !saved)
    return Complain(std::move(saved).error().Within("armed, but"));
  fmt::print("armed: {} ({}), capture kernel {}, initramfs {} KiB\n", state.target,
             state.target_device, state.kernel_release, state.initramfs_bytes / 1024);
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
  fmt::print("{}\n", *loaded ? "disarmed" : "nothing was loaded");
  return kExitComplete;
}

int ShowStatus(const loader::Host& host, const Options& options) {
  auto status = ReadStatus(host);
  if (!status) return Complain(status.error());
  fmt::print("{}", options.json ? StatusJson(*status) : StatusText(*status));
  return status->armed() ? kExitComplete : kExitFailed;
}

int Check(const loader::Host& host, const Options& options) {
  auto config = ReadConfig(host, options);
  if (!config) return Complain(config.error());
  loader::Preparation preparation = loader::Prepare(host, *config, ::geteuid() == 0);
  fmt::print("{}", options.json ? CheckJson(preparation) : CheckText(preparation));
  return preparation.Ready() ? kExitComplete : kExitFailed;
}

int Main(int argc, char** argv) {
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
  for (CLI::App* verb : {status, check}) verb->add_flag("--json", options.json, "as JSON");
  for (CLI::App* verb : app.get_subcommands({})) verb->set_help_flag("--help", "this text");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "kdump-arm: {}\nTry kdump-arm --help.\n", error.what());
    return kExitUsage;
  }
  options.config_named = config->count() > 0;
  loader::Host host;
  if (disarm->parsed()) return Disarm(host);
  if (status->parsed()) return ShowStatus(host, options);
  if (check->parsed()) return Check(host, options);
  return Arm(host, options);
}

}  // namespace
}  // namespace hmem::arm

int main(int argc, char** argv) { return hmem::arm::Main(argc, argv); }
