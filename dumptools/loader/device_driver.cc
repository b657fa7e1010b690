// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/device_driver.h"

#include <fmt/format.h>

#include <cstring>
#include <span>

#include "dumptools/loader/module_file.h"
#include "hmem/base/fd.h"

namespace hmem::loader {
namespace {

constexpr std::string_view kName = "hmem";
constexpr std::string_view kDkmsFolder = "updates/dkms";
// What scripts/sign-file puts behind a module; MODULE_SIG_STRING of
// include/linux/module_signature.h.
constexpr std::string_view kSignatureMark = "~Module signature appended~\n";

DeviceDriver Unusable(std::string text) {
  return {.usable = false, .files = {}, .text = std::move(text)};
}

// Empty: it is nowhere.
Result<std::vector<std::string>> FindFiles(const Host& host, const ModuleIndex& index) {
  auto files = index.LoadOrder(kName);
  if (files || files.error().code() != ErrorCode::kNotFound) return files;
  for (std::string_view ending : {".ko", ".ko.xz", ".ko.zst", ".ko.gz"}) {
    std::string path = fmt::format("{}/{}/{}{}", index.folder(), kDkmsFolder, kName, ending);
    if (host.Exists(path)) return std::vector<std::string>{std::move(path)};
  }
  return std::vector<std::string>();
}

Result<bool> IsSigned(const Host& host, const std::string& path) {
  HMEM_ASSIGN(auto packed, ReadFile(host.At(path), kMaxModuleBytes));
  HMEM_ASSIGN(auto module, Within(path, UnpackModule(path, packed)));
  if (module.size() < kSignatureMark.size()) return false;
  return std::memcmp(module.data() + module.size() - kSignatureMark.size(), kSignatureMark.data(),
                     kSignatureMark.size()) == 0;
}

// Why unsigned modules are refused; empty when they are not.
std::string WhySigned(const Host& host, std::string_view release, std::string_view config) {
  if (std::string mode = LockdownMode(host); mode != "none")
    return fmt::format("the kernel is locked down ({})", mode);
  if (config.find("\nCONFIG_MODULE_SIG_FORCE=y\n") != std::string_view::npos)
    return fmt::format("{} takes signed modules only", release);
  return "";
}

}  // namespace

DeviceDriver FindDeviceDriver(const Host& host, const ModuleIndex& index, std::string_view release,
                              std::string_view config) {
  if (index.IsBuiltin(kName))
    return {.usable = true, .files = {}, .text = fmt::format("built into {}", release)};
  auto files = FindFiles(host, index);
  if (!files) return Unusable(files.error().ToString());
  if (files->empty()) return Unusable(fmt::format("{} has no hmem.ko", release));
  const std::string& module = files->back();
  auto is_signed = IsSigned(host, module);
  if (!is_signed) return Unusable(is_signed.error().ToString());
  if (std::string why = WhySigned(host, release, config); !*is_signed && !why.empty())
    return Unusable(fmt::format("{} is not signed, and {}", module, why));
  std::string text = module;
  return {.usable = true, .files = *std::move(files), .text = std::move(text)};
}

CheckItem CheckSource(plan::SourceChoice choice, const DeviceDriver& driver) {
  if (choice == plan::SourceChoice::kVmcore)
    return Passed("source", "/proc/vmcore, as source = says");
  if (driver.usable) return Passed("source", fmt::format("/dev/hmem: {}", driver.text));
  if (choice == plan::SourceChoice::kHmem) {
    return Failed("source", fmt::format("no /dev/hmem: {}", driver.text),
                  "install hmem's kernel module (dkms) for this kernel and sign it where that is "
                  "asked for, or write source = auto in kdump-arm.conf");
  }
  return Passed("source", fmt::format("/proc/vmcore, without /dev/hmem: {}", driver.text));
}

}  // namespace hmem::loader
