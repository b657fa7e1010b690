// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/device_source.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>

#include "hmem/format/elf_core.h"
#include "hmem/format/elf_note.h"
#include "hmem/source/device_reader.h"
#include "hmem/source/extent_map.h"
#include "hmem/source/note_facts.h"
#include "hmem/source/source_format.h"

namespace hmem::source {
namespace {

// Linux itself has a handful, fragmented memory a few thousand.
constexpr uint64_t kMaxRegions = 64 * 1024;
constexpr uint64_t kAllOnes = std::numeric_limits<uint64_t>::max();
constexpr size_t kRegionsAtOnce = 256;
constexpr size_t kNoteBytesAtOnce = 64 * 1024;
constexpr int kMaxInterruptions = 100;

std::string Show(const PhysRange& range) {
  return fmt::format("phys {:#x}-{:#x}", range.start.value, range.end.value);
}

// A signal that keeps coming is not waited out for ever.
template <typename Call>
int Uninterrupted(Call call) {
  int error = EINTR;
  for (int i = 0; i < kMaxInterruptions && error == EINTR; ++i) error = call();
  return error;
}

uint64_t SteadyNs() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::nanoseconds(now).count());
}

// What the driver says of the old kernel, piece by piece.
class DeviceFacts {
 public:
  explicit DeviceFacts(const HmemDevice& device) : device_(device) {}

  Status ReadInfo();
  Status ReadRegions();
  void ReadNotes();
  void MapMemory();

  hmem_info info{};
  Endian endian = Endian::kLittle;
  uint32_t page_bytes = kDefaultPageBytes;
  ExtentMap extents;
  std::vector<Note> notes;
  std::vector<VirtSegment> virt_segments;
  bool complete = true;
  Findings findings;

 private:
  std::string At(std::string_view what) const {
    return fmt::format("{}: {}", device_.path(), what);
  }
  auto Corrupt(std::string_view what) const { return Fail(ErrorCode::kCorrupt, At(what)); }
  void Lose(std::string_view id, std::string_view place, std::string_view text) {
    complete = false;
    findings.Add(Severity::kLoss, id, place, text);
  }
  void TakeRegion(const hmem_region& region, size_t number);

  const HmemDevice& device_;
  std::vector<PhysRange> ram_;
};

Status DeviceFacts::ReadInfo() {
  int error = Uninterrupted([&] {
    info = {};
    return device_.Info(info);
  });
  if (error == ENOTTY || error == EINVAL) {
    return Fail(ErrorCode::kUnsupported,
                At("a character device that does not know HMEM_INFO, so no memory of a kernel"));
  }
  if (error != 0) return FailErrno(At("HMEM_INFO"), error);
  if ((info.state & HMEM_STATE_UNSAFE_HOLES) != 0) {
    return Fail(ErrorCode::kUnsupported,
                At("unsafe holes: virtio-mem, Xen or the like took pages away from the old kernel, "
                   "and this driver cannot ask which"));
  }
  if (info.elf_class != ELFCLASS32 && info.elf_class != ELFCLASS64)
    return Corrupt(fmt::format("HMEM_INFO: ELF class {}", info.elf_class));
  if (info.elf_data != ELFDATA2LSB && info.elf_data != ELFDATA2MSB)
    return Corrupt(fmt::format("HMEM_INFO: ELF byte order {}", info.elf_data));
  if (!IsPageSize(info.page_bytes))
    return Corrupt(fmt::format("HMEM_INFO: pages of {} bytes", info.page_bytes));
  if (info.region_count == 0) return Corrupt("HMEM_INFO: no memory");
  if (info.region_count > kMaxRegions) {
    return Fail(ErrorCode::kLimit, At(fmt::format("HMEM_INFO: {} regions, at most {} are read",
                                                  info.region_count, kMaxRegions)));
  }
  endian = info.elf_data == ELFDATA2LSB ? Endian::kLittle : Endian::kBig;
  return {};
}

void DeviceFacts::TakeRegion(const hmem_region& region, size_t number) {
  std::string place = fmt::format("region {}", number);
  if (region.kind != HMEM_REGION_RAM && region.kind != HMEM_REGION_IMAGE) {
    findings.Add(Severity::kInfo, "source.device.region-kind", place,
                 "regions of a kind that is not known are passed over");
    return;
  }
  uint64_t end;
  if (region.bytes == 0 || !CheckedAdd(region.start, region.bytes, &end) ||
      end > kAllOnes - kLargestPageBytes) {
    complete = false;
    findings.Add(Severity::kError, "source.device.region-size", place,
                 fmt::format("regions that are empty or reach beyond 64 bits are passed over: "
                             "phys {:#x}, {:#x} bytes",
                             region.start, region.bytes));
    return;
  }
  PhysRange range{PhysAddr(region.start), PhysAddr(end)};
  uint64_t virt_end;
  if (region.virt != 0 && CheckedAdd(region.virt, region.bytes, &virt_end)) {
    virt_segments.push_back(
        {.virt = {VirtAddr(region.virt), VirtAddr(virt_end)}, .phys = range.start});
  }
  if (region.kind == HMEM_REGION_IMAGE) return;
  if (!ram_.empty() && range.start < ram_.back().end) {
    findings.Add(
        Severity::kInfo, "source.device.region-order", place,
        fmt::format("{} does not lie behind the region before it; sorted and merged", Show(range)));
  }
  ram_.push_back(range);
}

Status DeviceFacts::ReadRegions() {
  std::array<hmem_region, kRegionsAtOnce> room;
  for (uint32_t first = 0; first < info.region_count;) {
    auto wanted = static_cast<uint32_t>(std::min<size_t>(room.size(), info.region_count - first));
    hmem_regions request;
    int error = Uninterrupted([&] {
      room = {};
      request = {.regions = reinterpret_cast<uintptr_t>(room.data()),
                 .first = first,
                 .count = wanted,
                 .flags = 0,
                 .reserved = 0};
      return device_.Regions(request);
    });
    if (error != 0) return FailErrno(At("HMEM_REGIONS"), error);
    if (request.count > wanted) {
      return Corrupt(
          fmt::format("HMEM_REGIONS: {} regions for a room of {}", request.count, wanted));
    }
    if (request.count == 0) {
      Lose("source.device.regions-missing", fmt::format("region {}", first),
           fmt::format("HMEM_REGIONS ends after {} of {} regions", first, info.region_count));
      break;
    }
    for (uint32_t i = 0; i < request.count; ++i) TakeRegion(room[i], first + i);
    first += request.count;
  }
  if (ram_.empty()) return Corrupt("HMEM_REGIONS: no usable memory");
  return {};
}

void DeviceFacts::ReadNotes() {
  if (info.notes_bytes > format::kMaxNoteBytes) {
    Lose("source.device.notes-too-large", "HMEM_NOTES",
         fmt::format("{} bytes of notes, at most {} are read", info.notes_bytes,
                     format::kMaxNoteBytes));
    return;
  }
  // One more than there is said to be, to see whether that was true.
  std::vector<std::byte> bytes(info.notes_bytes + 1);
  size_t done = 0;
  bool failed = false;
  while (done < bytes.size() && !failed) {
    auto wanted = static_cast<uint32_t>(std::min(bytes.size() - done, kNoteBytesAtOnce));
    hmem_notes request;
    int error = Uninterrupted([&] {
      request = {.buffer = reinterpret_cast<uintptr_t>(&bytes[done]),
                 .offset = done,
                 .bytes = wanted,
                 .flags = 0,
                 .reserved = {}};
      return device_.Notes(request);
    });
    failed = error != 0 || request.bytes > wanted;
    if (failed) {
      Lose("source.device.notes-unreadable", fmt::format("byte {} of the notes", done),
           error != 0
               ? Error::FromErrno("HMEM_NOTES", error).ToString()
               : fmt::format("HMEM_NOTES: {} bytes for a room of {}", request.bytes, wanted));
    } else if (request.bytes == 0) {
      break;
    } else {
      done += request.bytes;
    }
  }
  if (done > info.notes_bytes) {
    Lose("source.device.notes-longer", "HMEM_NOTES",
         fmt::format("there are more than the {} bytes of notes that HMEM_INFO tells",
                     info.notes_bytes));
    done = info.notes_bytes;
  } else if (done < info.notes_bytes && !failed) {
    Lose("source.device.notes-truncated", "HMEM_NOTES",
         fmt::format("the notes end after {} of {} bytes", done, info.notes_bytes));
  }
  bytes.resize(done);
  if (auto parsed = format::AppendNotes(bytes, endian, 0, notes); !parsed)
    Lose("source.device.notes-damaged", "HMEM_NOTES", parsed.error().ToString());
}

void DeviceFacts::MapMemory() {
  page_bytes = PageBytesFromNotes(notes, findings);
  uint64_t bytes = 0;
  std::vector<Extent> pieces;
  for (const PhysRange& range : ram_) {
    pieces.push_back({.phys = range, .kind = ExtentKind::kData, .file_offset = range.start.value});
    AddPadding(range, page_bytes, pieces);
  }
  extents = ExtentMap(std::move(pieces));
  for (const Extent& extent : extents.all()) {
    if (extent.kind == ExtentKind::kData) bytes += extent.phys.size();
  }
  if (bytes != info.ram_bytes) {
    Lose("source.device.ram-bytes", "HMEM_INFO",
         fmt::format("HMEM_INFO tells of {} bytes of memory, HMEM_REGIONS of {}", info.ram_bytes,
                     bytes));
  }
}

class DeviceSource final : public MemorySource {
 public:
  DeviceSource(std::unique_ptr<HmemDevice> device, DeviceFacts facts, DeviceOptions options)
      : info_(facts.info),
        endian_(facts.endian),
        page_bytes_(facts.page_bytes),
        ram_(facts.extents.Ranges()),
        notes_(std::move(facts.notes)),
        virt_segments_(std::move(facts.virt_segments)),
        complete_(facts.complete),
        findings_(std::move(facts.findings)),
        reader_(std::move(device), info_, std::move(facts.extents), options.map_window_bytes,
                std::move(options.clock)) {}

  Status Read(PhysAddr addr, std::span<std::byte> out) const override {
    return reader_.Read(addr, out);
  }
  std::optional<std::span<const std::byte>> Borrow(PhysRange range) const override {
    return reader_.Borrow(range);
  }
  std::string_view format() const override { return "device"; }
  const std::string& path() const override { return reader_.path(); }
  uint16_t elf_machine() const override { return info_.elf_machine; }
  int word_bytes() const override { return info_.elf_class == ELFCLASS64 ? 8 : 4; }
  Endian endian() const override { return endian_; }
  uint32_t page_bytes() const override { return page_bytes_; }
  std::span<const PhysRange> ram() const override { return ram_; }
  std::span<const Note> notes() const override { return notes_; }
  std::span<const VirtSegment> virt_segments() const override { return virt_segments_; }
  PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const override {
    return reader_.extents().FateFrom(pfn, most_pages, page_bytes_);
  }
  std::string AccessText() const override { return reader_.AccessText(); }
  bool complete() const override { return complete_; }
  const Findings& findings() const override { return findings_; }
  Status Verify(Findings& findings) const override {
    findings.Merge(findings_);
    VerifyExtents(*this, reader_.extents(), "source.device", findings);
    return {};
  }

 private:
  hmem_info info_;
  Endian endian_;
  uint32_t page_bytes_;
  std::vector<PhysRange> ram_;
  std::vector<Note> notes_;
  std::vector<VirtSegment> virt_segments_;
  bool complete_;
  Findings findings_;
  mutable DeviceReader reader_;  // its caches
};

}  // namespace

Result<std::unique_ptr<MemorySource>> OpenDeviceSource(std::unique_ptr<HmemDevice> device,
                                                       DeviceOptions options) {
  DeviceFacts facts(*device);
  HMEM_TRY(facts.ReadInfo());
  HMEM_TRY(facts.ReadRegions());
  facts.ReadNotes();
  facts.MapMemory();
  if (!options.clock) options.clock = SteadyNs;
  return std::make_unique<DeviceSource>(std::move(device), std::move(facts), std::move(options));
}

const SourceFormat& DeviceSourceFormat() {
  static constexpr SourceFormat kFormat{
      .name = "device",
      .character_device = true,
      .sniff = nullptr,
      .open = [](const std::string& path,
                 const OpenOptions& options) -> Result<std::unique_ptr<MemorySource>> {
        HMEM_ASSIGN(auto device, OpenHmemDevice(path));
        return OpenDeviceSource(std::move(device),
                                {.map_window_bytes = options.map_window_bytes, .clock = {}});
      },
  };
  return kFormat;
}

}  // namespace hmem::source
