// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/kdump-arm/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <span>

#include "hmem/base/fd.h"

namespace hmem::arm {
namespace {

constexpr int kIndent = 2;

}  // namespace

std::string JsonText(const Json& json) {
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status SaveStateFile(const loader::Host& host, std::string_view name, const Json& json) {
  std::string path = host.At(name);
  std::string directory = path.substr(0, path.rfind('/'));
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return FailErrno(directory, errno);
  std::string temporary = path + ".new";
  HMEM_ASSIGN(UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  std::string text = JsonText(json);
  HMEM_TRY(WriteAll(fd.get(), std::as_bytes(std::span(text)), temporary));
  HMEM_TRY(fd.Close(temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return FailErrno(path, errno);
  return {};
}

Result<Json> ReadStateFile(const loader::Host& host, std::string_view path) {
  HMEM_ASSIGN(std::string text, host.Read(path));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: not a JSON object", path));
  return json;
}

Status RemoveStateFile(const loader::Host& host, std::string_view name) {
  std::string path = host.At(name);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return FailErrno(path, errno);
  return {};
}

std::string TextOf(const Json& json, const char* key) {
  auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

int64_t NumberOf(const Json& json, const char* key) {
  auto it = json.find(key);
  return it != json.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

std::string UtcText(int64_t unix_s) {
  std::time_t when = unix_s;
  std::tm utc{};
  ::gmtime_r(&when, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace hmem::arm
