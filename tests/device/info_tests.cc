// SPDX-License-Identifier: GPL-2.0-or-later
#include <cpuid.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "tests/device/bad_pointers.h"
#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

// Whether the CPU has the string instructions in which the kernel's copies survive a memory error
// (ERMS: Intel SDM vol. 2A, CPUID leaf 7).
bool CopiesCanBeSafe() {
  constexpr unsigned kFeatureLeaf = 7;
  constexpr unsigned kErms = 1U << 9;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(kFeatureLeaf, 0, &a, &b, &c, &d) != 0 && (b & kErms) != 0;
}

void InfoIsTrue(Check& check) {
  const OldMemory memory(check);
  const hmem_info& info = memory.info;
  uint64_t bytes = 0;
  for (const PhysRange& range : memory.ram) bytes += range.size();
  check.Equal("features that no header names",
              info.features & ~(HMEM_FEATURE_MC_SAFE | HMEM_FEATURE_HOLE_OWNERS), 0);
  check.Equal("HMEM_FEATURE_MC_SAFE", (info.features & HMEM_FEATURE_MC_SAFE) != 0,
              CopiesCanBeSafe());
  check.Equal("state", info.state, 0);
  check.Equal("ram_bytes", info.ram_bytes, bytes);
  check.Equal("page_bytes", info.page_bytes, static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)));
  check.Equal("region_count", info.region_count, memory.regions.size());
  check.That(info.notes_bytes > 0, "no notes");
  check.That(info.readv_max_ranges >= 256 && info.readv_max_bytes >= kMiB,
             "HMEM_READV takes little");
  check.Equal("elf_machine", info.elf_machine, EM_X86_64);
  check.Equal("elf_class", info.elf_class, ELFCLASS64);
  check.Equal("elf_data", info.elf_data, ELFDATA2LSB);
  for (const uint32_t word : info.reserved) check.Equal("reserved", word, 0);
}

// Every bit that must be zero, set alone: EINVAL, and nothing is written.
template <typename T>
void RefusesEachBit(Check& check, int fd, unsigned long command, const T& good, size_t from,
                    size_t bytes) {
  for (size_t bit = from * 8; bit < (from + bytes) * 8; ++bit) {
    T bad = good;
    auto* raw = reinterpret_cast<uint8_t*>(&bad);
    raw[bit / 8] = static_cast<uint8_t>(raw[bit / 8] ^ (1U << (bit % 8)));
    const T before = bad;
    check.Returns(fmt::format("bit {} of byte {}", bit % 8, bit / 8), Ioctl(fd, command, &bad),
                  -EINVAL);
    check.That(std::memcmp(&before, &bad, sizeof(T)) == 0,
               fmt::format("bit {} of byte {}: refused, and written to", bit % 8, bit / 8));
  }
}

void InfoRefusesBits(Check& check) {
  const OldMemory memory(check);
  RefusesEachBit(check, memory.fd.get(), HMEM_INFO, hmem_info{}, 0, sizeof(hmem_info));
}

void InfoPointers(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  ExpectFaults(check, sizeof(hmem_info),
               [&](void* argument) { return Ioctl(fd, HMEM_INFO, argument); });
  std::array<std::byte, sizeof(hmem_info) + 1> room = {};
  check.Returns("a struct at an odd address", Ioctl(fd, HMEM_INFO, room.data() + 1), 0);
  check.That(std::memcmp(room.data() + 1, &memory.info, sizeof(hmem_info)) == 0,
             "a struct at an odd address tells otherwise");
}

void UnknownCommands(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  std::array<uint64_t, 64> room = {};
  const auto refuse = [&](std::string_view what, unsigned long command) {
    check.Returns(what, Ioctl(fd, command, room.data()), -ENOTTY);
  };
  for (unsigned number = 0; number < 256; ++number) {
    if (number >= 0x90 && number <= 0x93) continue;
    refuse(fmt::format("number {:#x}", number), _IOWR(HMEM_IOC_MAGIC, number, hmem_info));
    refuse(fmt::format("number {:#x}, another size", number),
           _IOWR(HMEM_IOC_MAGIC, number, hmem_readv));
  }
  for (unsigned number = 0x90; number <= 0x93; ++number) {
    refuse("no size", _IO(HMEM_IOC_MAGIC, number));
    refuse("a byte", _IOWR(HMEM_IOC_MAGIC, number, uint8_t));
    refuse("another letter", _IOWR('H', number, hmem_info));
  }
  refuse("reading only", _IOR(HMEM_IOC_MAGIC, 0x90, hmem_info));
  refuse("writing only", _IOW(HMEM_IOC_MAGIC, 0x90, hmem_info));
  refuse("the struct of another", _IOWR(HMEM_IOC_MAGIC, 0x93, hmem_info));
  refuse("TCGETS", TCGETS);
  refuse("FIONREAD", FIONREAD);
  check.That(std::ranges::all_of(room, [](uint64_t word) { return word == 0; }),
             "something was written");
}

void RegionsAreSound(Check& check) {
  const OldMemory memory(check);
  uint64_t end = 0;
  bool ram_over = false;
  for (const hmem_region& region : memory.regions) {
    const std::string where = fmt::format("{:#x}, {:#x} bytes", region.start, region.bytes);
    check.That(region.bytes > 0 && region.start + region.bytes > region.start,
               where + ": no range");
    check.Equal(where + ": reserved", region.reserved, 0);
    if (region.kind == HMEM_REGION_RAM) {
      check.That(!ram_over, where + ": memory behind an alias");
      check.That(region.start >= end, where + ": not behind the range before it");
      end = region.start + region.bytes;
    } else {
      ram_over = true;
      check.Equal(where + ": kind", region.kind, HMEM_REGION_IMAGE);
      check.That(region.virt >= 0xffffffff80000000, where + ": no image of a kernel");
      check.That(std::ranges::any_of(memory.ram,
                                     [&](const PhysRange& range) {
                                       return region.start >= range.start.value &&
                                              region.start + region.bytes <= range.end.value;
                                     }),
                 where + ": an alias of nothing");
    }
  }
  check.That(ram_over, "nothing says where the image of the old kernel is");
}

// This kernel's own memory is not the old one's. Below 1 MiB both have it.
void RegionsLeaveOwnMemory(Check& check) {
  const OldMemory memory(check);
  FILE* iomem = std::fopen("/proc/iomem", "re");
  check.Require(iomem != nullptr, "no /proc/iomem");
  std::array<char, 256> line = {};
  int own = 0;
  while (std::fgets(line.data(), line.size(), iomem) != nullptr) {
    uint64_t start = 0;
    uint64_t last = 0;
    if (std::sscanf(line.data(), "%lx-%lx : System RAM", &start, &last) != 2 ||
        std::strstr(line.data(), "System RAM") == nullptr || last < kMiB)
      continue;
    ++own;
    for (const PhysRange& range : memory.ram) {
      check.That(
          last < range.start.value || start >= range.end.value,
          fmt::format("{} has memory of this kernel, {:#x}-{:#x}", ToText(range), start, last));
    }
    std::byte byte = {};
    check.Refuses("reading this kernel's memory", Pread(memory.fd.get(), &byte, 1, start), {ENXIO});
    check.Refuses("mapping it", Mapping(memory.fd.get(), start / kPage * kPage, kPage).error(),
                  {ENXIO});
  }
  std::fclose(iomem);
  check.That(own > 0, "/proc/iomem names no memory of this kernel");
}

void RegionsInParts(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  const auto total = static_cast<uint32_t>(memory.regions.size());
  hmem_region one = {};
  for (uint32_t first = 0; first < total; ++first) {
    hmem_regions asked = {.regions = reinterpret_cast<uintptr_t>(&one), .first = first, .count = 1};
    check.Returns("one range", Ioctl(fd, HMEM_REGIONS, &asked), 0);
    check.Equal("ranges of one", asked.count, 1);
    check.That(std::memcmp(&one, &memory.regions[first], sizeof(one)) == 0,
               "asked alone, a range is another");
  }
  const hmem_region untouched = {.start = 1, .bytes = 2, .virt = 3, .kind = 4, .reserved = 5};
  for (const uint32_t first : {total, total + 1, UINT32_MAX}) {
    one = untouched;
    hmem_regions asked = {.regions = reinterpret_cast<uintptr_t>(&one), .first = first, .count = 1};
    check.Returns("behind the last", Ioctl(fd, HMEM_REGIONS, &asked), 0);
    check.Equal("ranges behind the last", asked.count, 0);
    check.That(std::memcmp(&one, &untouched, sizeof(one)) == 0,
               "behind the last something was written");
  }
  // Room for all there could be is told; only as many as there are get written.
  const Guarded room(total * sizeof(hmem_region));
  hmem_regions asked = {
      .regions = reinterpret_cast<uintptr_t>(room.Last(total * sizeof(hmem_region))),
      .count = UINT32_MAX};
  check.Returns("any number", Ioctl(fd, HMEM_REGIONS, &asked), 0);
  check.Equal("ranges of any number", asked.count, total);
  asked = {.regions = 0, .first = 0, .count = 0};
  check.Returns("none", Ioctl(fd, HMEM_REGIONS, &asked), 0);
  check.Equal("ranges of none", asked.count, 0);
}

void RegionsRefuse(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  hmem_region one = {};
  const hmem_regions good = {.regions = reinterpret_cast<uintptr_t>(&one), .count = 1};
  RefusesEachBit(check, fd, HMEM_REGIONS, good, offsetof(hmem_regions, flags),
                 sizeof(uint32_t) * 2);
  check.Equal("a range that was written", one.bytes, 0);
  ExpectFaults(check, sizeof(hmem_region) * memory.regions.size(), [&](void* array) {
    hmem_regions asked = {.regions = reinterpret_cast<uintptr_t>(array), .count = UINT32_MAX};
    const int64_t answer = Ioctl(fd, HMEM_REGIONS, &asked);
    check.Equal("count after a fault", asked.count, UINT32_MAX);
    return answer;
  });
  ExpectFaults(check, sizeof(hmem_regions),
               [&](void* argument) { return Ioctl(fd, HMEM_REGIONS, argument); });
}

std::vector<std::byte> AskNotes(Check& check, const OldMemory& memory, uint32_t step) {
  std::vector<std::byte> found(memory.info.notes_bytes);
  uint64_t at = 0;
  while (at < found.size()) {
    hmem_notes asked = {.buffer = reinterpret_cast<uintptr_t>(found.data() + at),
                        .offset = at,
                        .bytes = std::min(step, static_cast<uint32_t>(found.size() - at))};
    const uint32_t wanted = asked.bytes;
    check.Returns("HMEM_NOTES", Ioctl(memory.fd.get(), HMEM_NOTES, &asked), 0);
    check.Equal("bytes of notes", asked.bytes, wanted);
    check.Require(asked.bytes == wanted, "notes are missing");
    at += asked.bytes;
  }
  return found;
}

void NotesAreTheOldKernels(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const std::vector<std::byte> notes = AskNotes(check, memory, UINT32_MAX);
  check.That(notes == vmcore.notes(),
             fmt::format("{} bytes of notes are not the {} of /proc/vmcore", notes.size(),
                         vmcore.notes().size()));
  int cpus = 0;
  bool told = false;
  size_t at = 0;
  while (at + sizeof(Elf64_Nhdr) <= notes.size()) {
    Elf64_Nhdr note = {};
    std::memcpy(&note, notes.data() + at, sizeof(note));
    const auto* name = reinterpret_cast<const char*>(notes.data() + at + sizeof(note));
    const size_t name_room = (note.n_namesz + 3U) & ~3U;
    const std::string_view text(name + name_room, note.n_descsz);
    cpus += std::string_view(name, note.n_namesz - 1) == "CORE" && note.n_type == NT_PRSTATUS;
    told |=
        std::string_view(name, note.n_namesz - 1) == "VMCOREINFO" && text.starts_with("OSRELEASE=");
    at += sizeof(note) + name_room + ((note.n_descsz + 3U) & ~3U);
  }
  check.Equal("bytes of whole notes", at, notes.size());
  check.Equal("CPUs with registers", static_cast<uint64_t>(cpus), 2);
  check.That(told, "no VMCOREINFO");
}

void NotesInParts(Check& check) {
  const OldMemory memory(check);
  const std::vector<std::byte> notes = AskNotes(check, memory, UINT32_MAX);
  for (const uint32_t step : {1U, 7U, 4096U})
    check.That(AskNotes(check, memory, step) == notes,
               fmt::format("{} bytes at a time: other notes", step));
  for (const uint64_t offset :
       {uint64_t{memory.info.notes_bytes}, uint64_t{memory.info.notes_bytes + 1}, uint64_t{1} << 32,
        uint64_t{1} << 63, UINT64_MAX}) {
    std::byte untouched{0x5a};
    hmem_notes asked = {
        .buffer = reinterpret_cast<uintptr_t>(&untouched), .offset = offset, .bytes = UINT32_MAX};
    check.Returns("behind the end", Ioctl(memory.fd.get(), HMEM_NOTES, &asked), 0);
    check.Equal("bytes behind the end", asked.bytes, 0);
    check.That(untouched == std::byte{0x5a}, "behind the end something was written");
  }
  const Guarded room(notes.size());
  hmem_notes asked = {.buffer = reinterpret_cast<uintptr_t>(room.Last(notes.size())),
                      .bytes = UINT32_MAX};
  check.Returns("more than there is", Ioctl(memory.fd.get(), HMEM_NOTES, &asked), 0);
  check.Equal("bytes of more than there is", asked.bytes, notes.size());
}

void NotesRefuse(Check& check) {
  const OldMemory memory(check);
  const int fd = memory.fd.get();
  std::byte byte{};
  const hmem_notes good = {.buffer = reinterpret_cast<uintptr_t>(&byte), .bytes = 1};
  RefusesEachBit(check, fd, HMEM_NOTES, good, offsetof(hmem_notes, flags),
                 sizeof(hmem_notes) - offsetof(hmem_notes, flags));
  check.That(byte == std::byte{0}, "refused, and notes were written");
  ExpectFaults(check, memory.info.notes_bytes, [&](void* buffer) {
    hmem_notes asked = {.buffer = reinterpret_cast<uintptr_t>(buffer), .bytes = UINT32_MAX};
    return Ioctl(fd, HMEM_NOTES, &asked);
  });
  ExpectFaults(check, sizeof(hmem_notes),
               [&](void* argument) { return Ioctl(fd, HMEM_NOTES, argument); });
}

}  // namespace

std::span<const TestCase> InfoTests() {
  static constexpr TestCase kTests[] = {
      {"info.is-true", InfoIsTrue},
      {"info.refuses-every-bit", InfoRefusesBits},
      {"info.pointers", InfoPointers},
      {"ioctl.unknown-commands", UnknownCommands},
      {"regions.are-sound", RegionsAreSound},
      {"regions.leave-own-memory", RegionsLeaveOwnMemory},
      {"regions.in-parts", RegionsInParts},
      {"regions.refuse", RegionsRefuse},
      {"notes.are-the-old-kernels", NotesAreTheOldKernels},
      {"notes.in-parts", NotesInParts},
      {"notes.refuse", NotesRefuse},
  };
  return kTests;
}

}  // namespace hmem::device_test
