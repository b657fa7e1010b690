// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/initramfs.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cstdint>
#include <set>
#include <span>

#include "dumptools/loader/cpio.h"
#include "dumptools/loader/module_file.h"
#include "hmem/base/byte_reader.h"
#include "hmem/base/fd.h"

namespace hmem::loader {
namespace {

constexpr size_t kMaxProgramBytes = 64 << 20;
constexpr uint32_t kConsoleMajor = 5;
constexpr uint32_t kConsoleMinor = 1;
constexpr uint32_t kNullMajor = 1;
constexpr uint32_t kNullMinor = 3;

constexpr uint32_t kElfMagic = 0x464c457f;  // little-endian
constexpr uint8_t kElfClass64 = 2;
constexpr uint64_t kElfPhoffOffset = 32;
constexpr uint64_t kElfPhentsizeOffset = 54;
constexpr uint32_t kPtInterp = 3;

// deflateInit2: the largest window, and 16 more for a gzip header instead of zlib's own.
constexpr int kGzipWindowBits = 15 + 16;
constexpr int kGzipMemoryLevel = 8;  // zlib's default
// Of 5.4 MiB of programs 9 leaves 3 % less than 4 does, in five times its time: at every arming.
constexpr int kGzipLevel = 4;

std::span<const std::byte> AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string_view Relative(std::string_view path) { return path.substr(1); }

Result<std::vector<std::byte>> ReadProgram(const Host& host, std::string_view path) {
  if (!host.Exists(path)) return Fail(ErrorCode::kNotFound, fmt::format("{}: not installed", path));
  HMEM_ASSIGN(auto program, ReadFile(host.At(path), kMaxProgramBytes));
  HMEM_TRY(CheckStaticProgram(path, program));
  return program;
}

Result<bool> HasInterpreter(std::span<const std::byte> program) {
  ByteReader reader(program, Endian::kLittle, "ELF header");
  HMEM_TRY(reader.Seek(kElfPhoffOffset));
  HMEM_ASSIGN(uint64_t table, reader.U64());
  HMEM_TRY(reader.Seek(kElfPhentsizeOffset));
  HMEM_ASSIGN(uint16_t entry_bytes, reader.U16());
  HMEM_ASSIGN(uint16_t entries, reader.U16());
  for (uint64_t i = 0; i < entries; ++i) {
    HMEM_TRY(reader.Seek(table + i * entry_bytes));
    HMEM_ASSIGN(uint32_t type, reader.U32());
    if (type == kPtInterp) return true;
  }
  return false;
}

// As the plan lists them. A file that both lists have goes in once.
Result<std::vector<plan::Module>> AddModules(const Host& host,
                                             const std::vector<std::string>& files,
                                             const ModuleOptions& all_options,
                                             std::set<std::string>& added, CpioWriter& cpio) {
  std::vector<plan::Module> modules;
  for (const std::string& file : files) {
    std::string path = fmt::format("/lib/modules/{}.ko", ModuleName(file));
    if (added.insert(path).second) {
      HMEM_ASSIGN(auto packed, ReadFile(host.At(file), kMaxModuleBytes));
      HMEM_ASSIGN(auto module, UnpackModule(file, packed));
      HMEM_TRY(cpio.AddFile(Relative(path), 0644, module));
    }
    auto options = all_options.find(ModuleName(file));
    modules.push_back({std::move(path), options == all_options.end() ? "" : options->second});
  }
  return modules;
}

}  // namespace

Status CheckStaticProgram(std::string_view path, std::span<const std::byte> program) {
  ByteReader reader(program, Endian::kLittle, "ELF header");
  auto refuse = [&](std::string_view why) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", path, why));
  };
  auto magic = reader.U32();
  if (!magic || *magic != kElfMagic) return refuse("not an ELF program");
  auto word = reader.U8();
  if (!word || *word != kElfClass64) return refuse("not a 64-bit program");
  HMEM_ASSIGN(bool dynamic, Within(path, HasInterpreter(program)));
  if (dynamic) return refuse("not linked statically; install the one of the capture build");
  return {};
}

Result<std::vector<std::byte>> BuildInitramfs(const Host& host, const InitramfsInput& input) {
  CpioWriter cpio;
  for (std::string_view directory : {"dev", "proc", "sys", "run", "mnt"})
    HMEM_TRY(cpio.AddDirectory(directory));
  // The kernel opens /dev/console for PID 1 before anything is mounted.
  HMEM_TRY(cpio.AddCharacterDevice("dev/console", 0600, kConsoleMajor, kConsoleMinor));
  HMEM_TRY(cpio.AddCharacterDevice("dev/null", 0666, kNullMajor, kNullMinor));
  HMEM_ASSIGN(auto init, ReadProgram(host, kHmemInitPath));
  HMEM_TRY(cpio.AddFile("init", 0755, init));
  HMEM_ASSIGN(auto hmemdump, ReadProgram(host, kHmemdumpStaticPath));
  HMEM_TRY(cpio.AddFile(Relative(plan::kHmemdumpPath), 0755, hmemdump));

  plan::CapturePlan plan = input.plan;
  std::set<std::string> added;
  HMEM_ASSIGN(plan.device_modules,
              AddModules(host, input.device_module_files, input.module_options, added, cpio));
  HMEM_ASSIGN(plan.modules,
              AddModules(host, input.module_files, input.module_options, added, cpio));
  HMEM_TRY(
      cpio.AddFile(Relative(plan::kInitConfPath), 0644, AsBytes(plan::FormatCapturePlan(plan))));
  HMEM_TRY(cpio.AddFile(Relative(plan::kIdentityConfPath), 0644,
                        AsBytes(FormatIdentity(input.identity))));
  return cpio.Finish();
}

Result<std::vector<std::byte>> PackInitramfs(std::span<const std::byte> archive) {
  auto failed = [] { return Fail(ErrorCode::kLimit, "initramfs: gzip: no memory"); };
  z_stream stream{};
  if (::deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindowBits, kGzipMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
    return failed();
  }
  std::vector<std::byte> packed(::deflateBound(&stream, archive.size()));
  // zlib does not write to its input.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(archive.data()));
  stream.avail_in = static_cast<uInt>(archive.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  int end = ::deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (end != Z_STREAM_END) return failed();
  return packed;
}

}  // namespace hmem::loader
