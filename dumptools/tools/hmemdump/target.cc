// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/target.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "dumptools/firstfailure/record_store.h"

namespace hmem::dump {

Result<Target> ResolveTarget(const std::string& destination, const std::string& dump_name,
                             bool record_only) {
  Target target{
      .kind = TargetKind::kFile, .path = destination, .dump_path = destination, .record_path = {}};
  if (destination == "-") {
    target.kind = TargetKind::kStream;
    target.dump_path = "standard output";
    return target;
  }
  std::string record_name(firstfailure::kRecordFileName);
  struct stat st;
  if (::stat(destination.c_str(), &st) != 0) {
    if (errno != ENOENT) return FailErrno(destination, errno);
    std::filesystem::path parent = std::filesystem::path(destination).parent_path();
    if (!parent.empty() && ::stat(parent.c_str(), &st) != 0)
      return FailErrno(parent.string(), errno);
    target.record_path = (parent / record_name).string();
    if (record_only) {
      bool usual = std::filesystem::path(destination).filename() == record_name;
      target.record_path = destination;
      target.dump_path = usual ? (parent / "dump.hmem").string() : std::string();
    }
    return target;
  }
  if (S_ISDIR(st.st_mode)) {
    target.kind = TargetKind::kDirectory;
    std::filesystem::path directory(destination);
    target.dump_path = (directory / dump_name).string();
    target.record_path = (directory / record_name).string();
  } else if (S_ISBLK(st.st_mode)) {
    target.kind = TargetKind::kDevice;
  } else if (S_ISREG(st.st_mode)) {
    return FailErrno(fmt::format("{}: not overwritten", destination), EEXIST);
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: neither a file, a directory nor a block device", destination));
  }
  return target;
}

bool IsSource(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode));
}

std::string DumpPathInRecord(const Target& target) {
  switch (target.kind) {
    case TargetKind::kDirectory:
    case TargetKind::kFile:
      return std::filesystem::path(target.dump_path).filename().string();
    case TargetKind::kDevice:
      return target.path;
    case TargetKind::kStream:
    case TargetKind::kNowhere:
      break;
  }
  return {};
}

}  // namespace hmem::dump
