// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/identity.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace hmem::loader {
namespace {

constexpr size_t kIdBytes = 16;
constexpr size_t kMachineIdDigits = 32;
// Makes our host ids useless to anyone who has machine ids hashed for another purpose. Never
// changes.
constexpr std::string_view kApplicationKey = "hmem first-failure host id, v1";

std::string Hex(std::span<const unsigned char> bytes) {
  std::string text;
  for (unsigned char b : bytes) text += fmt::format("{:02x}", b);
  return text;
}

}  // namespace

Result<std::string> HostId(std::string_view machine_id) {
  bool digits = std::all_of(machine_id.begin(), machine_id.end(), [](char c) {
    return std::isxdigit(static_cast<unsigned char>(c)) != 0;
  });
  if (machine_id.size() != kMachineIdDigits || !digits) {
    return Fail(ErrorCode::kInvalidArgument, "not 32 hexadecimal digits");
  }
  std::array<unsigned char, kIdBytes> id;
  auto bytes = [](std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); };
  if (sodium_init() < 0 ||
      crypto_generichash(id.data(), id.size(), bytes(machine_id), machine_id.size(),
                         bytes(kApplicationKey), kApplicationKey.size()) != 0) {
    return Fail(ErrorCode::kIo, "libsodium does not start");
  }
  return Hex(id);
}

Result<Identity> MakeIdentity(const Host& host, std::map<std::string, std::string> labels) {
  Identity identity;
  identity.labels = std::move(labels);
  constexpr std::string_view kMachineId = "/etc/machine-id";
  if (auto machine_id = host.ReadLine(kMachineId); machine_id && !machine_id->empty()) {
    HMEM_ASSIGN(identity.host_id, Within(kMachineId, HostId(*machine_id)));
  }
  if (sodium_init() < 0) return Fail(ErrorCode::kIo, "libsodium does not start");
  std::array<unsigned char, kIdBytes> id;
  randombytes_buf(id.data(), id.size());
  identity.arm_id = Hex(id);
  return identity;
}

std::string FormatIdentity(const Identity& identity) {
  std::string text = fmt::format("host_id={}\narm_id={}\n", identity.host_id, identity.arm_id);
  for (const auto& [key, value] : identity.labels) text += fmt::format("label.{}={}\n", key, value);
  return text;
}

}  // namespace hmem::loader
