// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/device/old_memory.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace hmem::device_test {
namespace {

constexpr uint64_t RoundUp(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

int64_t Open(const char* path, int flags) { return ErrnoOr(::open(path, flags | O_CLOEXEC)); }

int64_t Ioctl(int fd, unsigned long command, void* argument) {
  return ErrnoOr(::ioctl(fd, command, argument));
}

int64_t Pread(int fd, void* to, size_t bytes, uint64_t offset) {
  return ErrnoOr(::pread(fd, to, bytes, static_cast<off_t>(offset)));
}

int64_t Seek(int fd, uint64_t offset, int whence) {
  return ErrnoOr(::lseek(fd, static_cast<off_t>(offset), whence));
}

int Touch(const std::byte* at, bool write) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto* byte = const_cast<volatile std::byte*>(at);
    const std::byte value = *byte;
    if (write) *byte = value;
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

Mapping::Mapping(int fd, uint64_t offset, size_t bytes) : bytes_(bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) {
    error_ = ErrnoOr(-1);
    bytes_ = 0;
    return;
  }
  data_ = static_cast<const std::byte*>(at);
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), bytes_);
}

Guarded::Guarded(size_t bytes) : bytes_(RoundUp(bytes, kPage)) {
  void* at =
      ::mmap(nullptr, bytes_ + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) ::abort();
  start_ = static_cast<std::byte*>(at);
  ::mprotect(start_ + bytes_, kPage, PROT_NONE);
}

Guarded::~Guarded() { ::munmap(start_, bytes_ + kPage); }

Repeated::Repeated(Check& check, size_t bytes, size_t period) : bytes_(bytes) {
  const UniqueFd file(::memfd_create("repeated", MFD_CLOEXEC));
  check.Require(::ftruncate(file.get(), static_cast<off_t>(period)) == 0, "no memory file");
  void* at = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check.Require(at != MAP_FAILED, "no addresses for a long buffer");
  start_ = static_cast<std::byte*>(at);
  for (size_t done = 0; done < bytes; done += period) {
    void* part = ::mmap(start_ + done, period, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                        file.get(), 0);
    check.Require(part != MAP_FAILED, "a long buffer cannot be mapped");
  }
}

Repeated::~Repeated() { ::munmap(start_, bytes_); }

std::vector<hmem_region> AskRegions(Check& check, int fd, uint32_t count) {
  std::vector<hmem_region> found(count);
  hmem_regions asked = {.regions = reinterpret_cast<uintptr_t>(found.data()), .count = count};
  const int64_t answer = Ioctl(fd, HMEM_REGIONS, &asked);
  check.Require(answer == 0, fmt::format("HMEM_REGIONS: {}", ErrnoName(answer)));
  check.Require(asked.count <= count, "HMEM_REGIONS told of more than there was room for");
  found.resize(asked.count);
  return found;
}

OldMemory::OldMemory(Check& check) {
  const int64_t opened = Open(kDevice, O_RDONLY);
  check.Require(opened >= 0, fmt::format("{}: {}", kDevice, ErrnoName(opened)));
  fd = UniqueFd(static_cast<int>(opened));
  const int64_t answer = Ioctl(fd.get(), HMEM_INFO, &info);
  check.Require(answer == 0, fmt::format("HMEM_INFO: {}", ErrnoName(answer)));
  regions = AskRegions(check, fd.get(), info.region_count);
  for (const hmem_region& region : regions) {
    if (region.kind == HMEM_REGION_RAM)
      ram.push_back({PhysAddr(region.start), PhysAddr(region.start + region.bytes)});
  }
  check.Require(!ram.empty(), "no memory in HMEM_REGIONS");
}

PhysRange OldMemory::Big() const {
  return *std::ranges::max_element(ram, {}, [](const PhysRange& range) { return range.size(); });
}

PhysRange OldMemory::Middle(uint64_t bytes) const {
  const PhysRange big = Big();
  const PhysAddr start((big.start.value + (big.size() - bytes) / 2) / kPage * kPage);
  return {start, start + bytes};
}

std::vector<PhysRange> OldMemory::Holes() const {
  std::vector<PhysRange> holes;
  PhysAddr end;
  for (const PhysRange& range : ram) {
    if (range.start > end) holes.push_back({end, range.start});
    end = range.end;
  }
  return holes;
}

PhysRange OldMemory::BeforeHole() const {
  for (size_t i = 0; i + 1 < ram.size(); ++i) {
    if (ram[i + 1].start.value / kPage > RoundUp(ram[i].end.value, kPage) / kPage + 1)
      return ram[i];
  }
  return ram.back();
}

Vmcore::Vmcore(Check& check) : check_(check) {
  const int64_t opened = Open("/proc/vmcore", O_RDONLY);
  check.Require(opened >= 0, fmt::format("/proc/vmcore: {}", ErrnoName(opened)));
  fd_ = UniqueFd(static_cast<int>(opened));
  Elf64_Ehdr header = {};
  check.Require(Pread(fd(), &header, sizeof(header), 0) == sizeof(header) &&
                    header.e_ident[EI_CLASS] == ELFCLASS64,
                "/proc/vmcore has no header of a 64-bit kernel");
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  const size_t bytes = segments.size() * sizeof(Elf64_Phdr);
  check.Require(Pread(fd(), segments.data(), bytes, header.e_phoff) == static_cast<int64_t>(bytes),
                "/proc/vmcore: no program headers");
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type == PT_LOAD) {
      loads_.push_back({{PhysAddr(segment.p_paddr), PhysAddr(segment.p_paddr + segment.p_memsz)},
                        segment.p_vaddr,
                        segment.p_offset});
    } else if (segment.p_type == PT_NOTE) {
      notes_.resize(segment.p_filesz);
      check.Require(Pread(fd(), notes_.data(), notes_.size(), segment.p_offset) ==
                        static_cast<int64_t>(notes_.size()),
                    "/proc/vmcore: no notes");
    }
  }
}

uint64_t Vmcore::OffsetOf(PhysAddr at, uint64_t* bytes) const {
  // The kernel's image has a segment inside that of the memory around it.
  const Segment* longest = nullptr;
  for (const Segment& segment : loads_) {
    if (segment.range.contains(at) &&
        (longest == nullptr || segment.range.end > longest->range.end))
      longest = &segment;
  }
  if (longest == nullptr) check_.Stop(fmt::format("/proc/vmcore has no {:#x}", at.value));
  *bytes = longest->range.end - at;
  return longest->offset + (at - longest->range.start);
}

void Vmcore::Read(PhysAddr from, std::span<std::byte> to) const {
  while (!to.empty()) {
    uint64_t bytes = 0;
    const uint64_t offset = OffsetOf(from, &bytes);
    const int64_t got = Pread(fd(), to.data(), std::min<uint64_t>(bytes, to.size()), offset);
    check_.Require(got > 0, fmt::format("/proc/vmcore at {:#x}: {}", from.value, ErrnoName(got)));
    to = to.subspan(static_cast<size_t>(got));
    from = from + static_cast<uint64_t>(got);
  }
}

void ExpectBytes(Check& check, std::string_view what, const Vmcore& vmcore, PhysAddr at,
                 std::span<const std::byte> found) {
  std::vector<std::byte> expected(std::min<size_t>(found.size(), kMiB));
  for (size_t done = 0; done < found.size(); done += expected.size()) {
    const size_t piece = std::min(expected.size(), found.size() - done);
    vmcore.Read(at + done, std::span(expected).first(piece));
    if (std::memcmp(expected.data(), found.data() + done, piece) == 0) continue;
    size_t at_byte = 0;
    while (expected[at_byte] == found[done + at_byte]) ++at_byte;
    check.Fail(fmt::format("{}: other bytes than /proc/vmcore's at {:#x}", what,
                           at.value + done + at_byte));
    return;
  }
}

std::string ToText(PhysRange range) {
  return fmt::format("{:#x}-{:#x}", range.start.value, range.end.value);
}

}  // namespace hmem::device_test
