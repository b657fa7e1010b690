// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fakes/fake_hmem_device.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace hmem::fakes {
namespace {

constexpr uint64_t kPage = 4096;

bool Overlaps(const PhysRange& a, const PhysRange& b) { return a.start < b.end && b.start < a.end; }

std::byte* Pointer(uint64_t address) { return std::bit_cast<std::byte*>(address); }

}  // namespace

FakeHmemDevice::FakeHmemDevice()
    : memory_(::memfd_create("old memory", MFD_CLOEXEC)),
      nothing_(::memfd_create("nothing", MFD_CLOEXEC)) {
  info.features = HMEM_FEATURE_MC_SAFE;
  info.page_bytes = kPage;
  info.readv_max_ranges = 16;
  info.readv_max_bytes = 1 << 20;
  info.elf_machine = EM_X86_64;
  info.elf_class = ELFCLASS64;
  info.elf_data = ELFDATA2LSB;
}

FakeHmemDevice& FakeHmemDevice::Ram(PhysAddr start, std::span<const std::byte> bytes,
                                    VirtAddr virt) {
  Write(start, bytes);
  info.ram_bytes += bytes.size();
  ++info.region_count;
  return Region({.start = start.value,
                 .bytes = bytes.size(),
                 .virt = virt.value,
                 .kind = HMEM_REGION_RAM,
                 .reserved = 0});
}

FakeHmemDevice& FakeHmemDevice::Region(hmem_region region) {
  regions.push_back(region);
  return *this;
}

FakeHmemDevice& FakeHmemDevice::Notes(std::vector<std::byte> bytes) {
  notes = std::move(bytes);
  info.notes_bytes = notes.size();
  return *this;
}

void FakeHmemDevice::Write(PhysAddr start, std::span<const std::byte> bytes) const {
  if (!PwriteAll(memory_.get(), bytes, start.value, "old memory")) std::abort();
  // Mappings are of whole pages.
  uint64_t end = (start.value + bytes.size() + kPage - 1) / kPage * kPage;
  if (static_cast<uint64_t>(::lseek(memory_.get(), 0, SEEK_END)) < end &&
      ::ftruncate(memory_.get(), static_cast<off_t>(end)) != 0) {
    std::abort();
  }
}

int FakeHmemDevice::Info(hmem_info& out) const {
  hmem_info zero{};
  if (std::memcmp(&out, &zero, sizeof(out)) != 0) return EINVAL;
  out = info;
  return info_error;
}

int FakeHmemDevice::Regions(hmem_regions& request) const {
  if (request.flags != 0 || request.reserved != 0) return EINVAL;
  uint32_t there = static_cast<uint32_t>(regions.size());
  uint32_t count = request.first < there ? std::min(request.count, there - request.first) : 0;
  if (count != 0)
    std::memcpy(Pointer(request.regions), &regions[request.first], count * sizeof(hmem_region));
  request.count = count;
  return on_regions(request);
}

int FakeHmemDevice::Notes(hmem_notes& request) const {
  if (request.flags != 0 || request.reserved[0] != 0 || request.reserved[1] != 0) return EINVAL;
  uint64_t left = notes.size() - std::min<uint64_t>(request.offset, notes.size());
  auto bytes = static_cast<uint32_t>(std::min<uint64_t>(request.bytes, left));
  if (bytes != 0) std::memcpy(Pointer(request.buffer), &notes[request.offset], bytes);
  request.bytes = bytes;
  return on_notes(request);
}

bool FakeHmemDevice::InRam(PhysRange range) const {
  return std::any_of(regions.begin(), regions.end(), [&](const hmem_region& region) {
    return range.start.value >= region.start && range.end.value <= region.start + region.bytes;
  });
}

bool FakeHmemDevice::HasMemory(PhysRange page) const {
  return std::any_of(regions.begin(), regions.end(), [&](const hmem_region& region) {
    return Overlaps(page, {PhysAddr(region.start), PhysAddr(region.start + region.bytes)});
  });
}

int FakeHmemDevice::ReadV(hmem_readv& request) const {
  std::lock_guard lock(mutex_);
  ++done_.calls;
  if (request.flags != 0 || request.count == 0 || request.count > info.readv_max_ranges)
    return EINVAL;
  auto* ranges = std::bit_cast<hmem_range*>(request.ranges);
  std::byte* out = Pointer(request.buffer);
  uint64_t room = std::min<uint64_t>(request.buffer_bytes, info.readv_max_bytes);
  for (hmem_range& range : std::span(ranges, request.count)) {
    if (range.bytes == 0 || range.bytes > room || range.done != 0 || range.status != 0 ||
        range.reserved != 0) {
      return EINVAL;
    }
    room -= range.bytes;
    PhysRange wanted{PhysAddr(range.phys), PhysAddr(range.phys + range.bytes)};
    PhysAddr stop = wanted.end;
    if (!InRam(wanted)) {
      stop = wanted.start;
      range.status = -ENXIO;
    }
    for (const PhysRange& bad : bad_) {
      if (!Overlaps(bad, {wanted.start, stop})) continue;
      ++done_.bad_touched;
      stop = std::max(bad.start, wanted.start);
      range.status = -EIO;
    }
    range.done = static_cast<uint32_t>(stop - wanted.start);
    if (!PreadSome(memory_.get(), std::span(out, range.done), range.phys, path_)) std::abort();
    out += range.bytes;
    now_ns_ += range.bytes / 1024 * call_ns_per_kib;
    if (int error = on_range(range); error != 0) return error;
  }
  return 0;
}

Result<FileMapping> FakeHmemDevice::Map(PhysAddr start, size_t bytes) const {
  std::lock_guard lock(mutex_);
  ++done_.maps;
  PhysRange range{start, start + bytes};
  bool whole = start.value % kPage == 0 && bytes % kPage == 0;
  for (uint64_t page = start.value; page < range.end.value; page += kPage)
    whole &= HasMemory({PhysAddr(page), PhysAddr(page + kPage)});
  if (!maps || !whole) return FailErrno(path_ + ": mmap", ENXIO);
  HMEM_ASSIGN(FileMapping mapping, FileMapping::Map(memory_.get(), start.value, bytes, path_));
  for (const PhysRange& bad : bad_) {
    for (uint64_t page = bad.start.value / kPage * kPage; page < bad.end.value; page += kPage) {
      if (page < start.value || page >= range.end.value) continue;
      auto* at = const_cast<std::byte*>(mapping.bytes().data()) + (page - start.value);
      if (::mmap(at, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, nothing_.get(), 0) == MAP_FAILED)
        std::abort();
    }
  }
  now_ns_ += bytes / 1024 * map_ns_per_kib;
  return mapping;
}

}  // namespace hmem::fakes
