// SPDX-License-Identifier: GPL-2.0-or-later
// kdump-compressed dumps, as makedumpfile and QEMU write them. Layout: hmem/format/kdump_header.h.
//
// The header's word is not taken for completeness: a writer that lost power leaves a file that
// calls itself complete, so the end of the file decides, and descriptors say page by page what is
// there.
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <mutex>

#include "hmem/codec/codec.h"
#include "hmem/format/elf_note.h"
#include "hmem/format/kdump_header.h"
#include "hmem/source/dump_file.h"
#include "hmem/source/kdump_bitmap.h"
#include "hmem/source/kdump_set.h"
#include "hmem/source/note_facts.h"
#include "hmem/source/source_format.h"

namespace hmem::source {
namespace {

using format::KdumpDescriptor;
using format::KdumpHeader;
using format::KdumpSubHeader;

constexpr size_t kMaxRamRanges = 64 * 1024;
constexpr uint64_t kMaxSubHeaderBytes = 64 << 20;
constexpr uint64_t kWindowDescriptors = 4096;
// Windows looked at one by one from the end for a page with bytes of its own: 16 Mi descriptors,
// 384 MiB. Farther away they are looked at in steps that double.
constexpr uint64_t kMaxTailWindows = 4096;
// The same inside a search by halves.
constexpr uint64_t kMaxHalvingWindows = 256;
constexpr size_t kCachedPages = 32;
constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

bool StartsWith(std::span<const std::byte> head, std::string_view signature) {
  return std::string_view(reinterpret_cast<const char*>(head.data()), head.size())
      .starts_with(signature);
}

class KdumpSource final : public MemorySource {
 public:
  static Result<std::unique_ptr<KdumpSource>> Open(const std::string& path,
                                                   const OpenOptions& options);
  // Says what a part of a split dump lacks without the others.
  static Result<std::unique_ptr<MemorySource>> OpenAlone(const std::string& path,
                                                         const OpenOptions& options);

  // The pages that a part of a split dump was given to hold; of a whole dump all there can be.
  PfnRange part() const { return {Pfn(part_start_), Pfn(part_end_)}; }

  Status Read(PhysAddr addr, std::span<std::byte> out) const override;
  std::string_view format() const override { return "kdump"; }
  const std::string& path() const override { return file_.path(); }
  uint16_t elf_machine() const override { return machine_; }
  int word_bytes() const override { return format::KdumpWordBytes(header_.layout); }
  Endian endian() const override { return header_.endian; }
  uint32_t page_bytes() const override { return header_.block_bytes; }
  std::span<const PhysRange> ram() const override { return ram_; }
  std::span<const Note> notes() const override { return notes_; }
  PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const override;
  bool complete() const override { return complete_; }
  const Findings& findings() const override { return findings_; }
  Status Verify(Findings& findings) const override;

 private:
  struct CachedPage {
    uint64_t pfn = kNone;
    std::vector<std::byte> bytes;
  };
  using DescriptorWindow = std::vector<KdumpDescriptor>;

  KdumpSource(DumpFile file, KdumpHeader header)
      : file_(std::move(file)), header_(std::move(header)), pages_(kCachedPages) {}

  Status ReadSubHeader();
  void ReadNotes();
  Result<std::vector<std::byte>> ReadBlob(uint64_t offset, uint64_t bytes, std::string_view what);
  Status IndexBitmaps();
  Status MapRam();
  Status CountDescriptors();
  Status CheckEnd();
  void Lose(std::string_view id, std::string_view place, std::string_view text);

  uint64_t BitOf(uint64_t pfn) const { return pfn - first_pfn_; }
  uint64_t PfnOf(uint64_t bit) const { return bit + first_pfn_; }
  PhysAddr AddressOf(uint64_t bit) const { return PhysAddr(PfnOf(bit) * header_.block_bytes); }
  std::string At(std::string_view what) const {
    return fmt::format("{}: kdump: {}", file_.path(), what);
  }

  bool InFile(const KdumpDescriptor& descriptor) const;
  Result<DescriptorWindow> ReadWindow(uint64_t first, uint64_t most = kWindowDescriptors) const;
  static bool SaysNothing(const DescriptorWindow& window);
  Result<uint64_t> FirstMissing(uint64_t high) const;
  // Of a page that bitmap 2 has and that is the part's.
  Result<uint64_t> DescriptorNumber(uint64_t bit) const;
  Result<KdumpDescriptor> DescriptorOf(uint64_t bit) const;
  Result<PageFateRun> Fate(uint64_t pfn, uint64_t most_pages) const;
  Result<PageFateRun> FateOfDumped(uint64_t bit, uint64_t pages) const;
  Status Unpack(const KdumpDescriptor& descriptor, std::vector<std::byte>& packed,
                std::span<std::byte> out) const;
  Result<std::span<const std::byte>> Page(uint64_t pfn) const;

  DumpFile file_;
  KdumpHeader header_;
  KdumpSubHeader sub_;
  uint16_t machine_ = EM_NONE;
  uint64_t first_pfn_ = 0;  // of bit 0
  uint64_t max_pages_ = 0;  // bits of each bitmap
  uint64_t descriptors_offset_ = 0;
  uint64_t part_start_ = 0;  // pfns; both bitmaps of a part are those of the whole dump
  uint64_t part_end_ = kNone;
  uint64_t first_descriptor_ = 0;  // bits of bitmap 2 in front of the part
  uint64_t descriptors_ = 0;       // in this file, if it is whole
  // Bits that the writer got to: of a file that is marked incomplete it may have set no more.
  uint64_t told_bits_ = kNone;
  std::vector<PhysRange> ram_;
  std::vector<Note> notes_;
  bool complete_ = true;
  Findings findings_;

  mutable std::mutex mutex_;  // of all below
  KdumpBitmap ram_bits_;
  KdumpBitmap dumped_bits_;
  mutable std::vector<CachedPage> pages_;
  mutable std::vector<std::byte> packed_;
};

Result<std::unique_ptr<KdumpSource>> KdumpSource::Open(const std::string& path,
                                                       const OpenOptions& options) {
  HMEM_ASSIGN(DumpFile file, DumpFile::Open(path, options.map_window_bytes));
  std::vector<std::byte> head(format::kKdumpHeaderBytes);
  HMEM_ASSIGN(size_t n, file.ReadSome(0, head));
  head.resize(n);
  if (StartsWith(head, format::kDiskdumpSignature)) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: a diskdump file, the ancestor of kdump", path));
  }
  HMEM_ASSIGN(KdumpHeader header, Within(path, format::ParseKdumpHeader(head)));
  std::unique_ptr<KdumpSource> source(new KdumpSource(std::move(file), std::move(header)));
  source->findings_.Merge(source->file_.findings());
  source->complete_ = !source->findings_.HasLosses();
  HMEM_TRY(source->ReadSubHeader());
  source->ReadNotes();
  HMEM_TRY(source->IndexBitmaps());
  HMEM_TRY(source->MapRam());
  HMEM_TRY(source->CountDescriptors());
  HMEM_TRY(source->CheckEnd());
  return source;
}

Result<std::unique_ptr<MemorySource>> KdumpSource::OpenAlone(const std::string& path,
                                                             const OpenOptions& options) {
  HMEM_ASSIGN(auto source, Open(path, options));
  if (source->sub_.split != 0) {
    source->Lose("source.kdump.part",
                 fmt::format("pfn {:#x} to {:#x}", source->part_start_, source->part_end_),
                 "one part of a split dump, opened without the others");
  }
  return source;
}

void KdumpSource::Lose(std::string_view id, std::string_view place, std::string_view text) {
  complete_ = false;
  findings_.Add(Severity::kLoss, id, place, text);
}

Status KdumpSource::ReadSubHeader() {
  if (header_.version > format::kKdumpNewestVersion) {
    findings_.Add(Severity::kInfo, "source.kdump.version", "kdump header",
                  fmt::format("version {}, newer than {}: read as if it were that", header_.version,
                              format::kKdumpNewestVersion));
  }
  std::vector<std::byte> bytes(format::kKdumpSubHeaderBytes);
  HMEM_TRY(Within("kdump sub header", file_.Read(header_.block_bytes, bytes)));
  HMEM_ASSIGN(sub_, Within(file_.path(), format::ParseKdumpSubHeader(bytes, header_)));
  machine_ = format::KdumpElfMachine(header_);
  if (machine_ == EM_NONE) {
    findings_.Add(Severity::kError, "source.kdump.machine", "utsname.machine",
                  fmt::format("machine '{}' is not known", header_.machine()));
  }
  if (sub_.split != 0) {
    const bool wide = header_.version >= 6;
    part_start_ = wide ? sub_.start_pfn_64 : sub_.start_pfn;
    part_end_ = wide ? sub_.end_pfn_64 : sub_.end_pfn;
    if (part_start_ > part_end_) {
      return Fail(ErrorCode::kCorrupt, At(fmt::format("a part of a split dump with pages {:#x} to "
                                                      "{:#x}",
                                                      part_start_, part_end_)));
    }
  }
  if ((header_.status & format::kKdumpIncomplete) != 0) {
    Lose("source.kdump.incomplete", "kdump header",
         "marked as incomplete by the program that wrote it");
  }
  if ((header_.status & format::kKdumpVmemmapExcluded) != 0) {
    findings_.Add(Severity::kInfo, "source.kdump.vmemmap", "kdump header",
                  "the memory map of excluded pages was left out too");
  }
  return {};
}

// A piece of the sub header's blocks; what the file has of it.
Result<std::vector<std::byte>> KdumpSource::ReadBlob(uint64_t offset, uint64_t bytes,
                                                     std::string_view what) {
  std::string place = fmt::format("file offset {:#x}", offset);
  if (bytes > kMaxSubHeaderBytes) {
    Lose("source.kdump.notes-too-large", place,
         fmt::format("{} of {} bytes were not read", what, bytes));
    return std::vector<std::byte>();
  }
  std::vector<std::byte> blob(bytes);
  HMEM_ASSIGN(size_t n, file_.ReadSome(offset, blob));
  blob.resize(n);
  if (n < bytes) {
    Lose("source.kdump.notes-truncated", place,
         fmt::format("the file ends after {} of {} bytes of {}", n, bytes, what));
  }
  return blob;
}

void KdumpSource::ReadNotes() {
  if (sub_.note_offset != 0 && sub_.note_bytes != 0) {
    std::string place = fmt::format("file offset {:#x}", sub_.note_offset);
    auto blob = ReadBlob(sub_.note_offset, sub_.note_bytes, "notes");
    if (!blob) {
      Lose("source.kdump.notes-unreadable", place, blob.error().ToString());
    } else if (Status parsed = format::AppendNotes(*blob, header_.endian, sub_.note_offset, notes_);
               !parsed) {
      Lose("source.kdump.notes-damaged", place, parsed.error().ToString());
    }
  }
  bool have = std::any_of(notes_.begin(), notes_.end(),
                          [](const Note& n) { return n.name == "VMCOREINFO"; });
  if (have || sub_.vmcoreinfo_offset == 0 || sub_.vmcoreinfo_bytes == 0) return;
  // Version 3 has the text alone.
  auto blob = ReadBlob(sub_.vmcoreinfo_offset, sub_.vmcoreinfo_bytes, "VMCOREINFO");
  if (!blob) {
    Lose("source.kdump.notes-unreadable", fmt::format("file offset {:#x}", sub_.vmcoreinfo_offset),
         blob.error().ToString());
  } else if (!blob->empty()) {
    notes_.push_back({.name = "VMCOREINFO", .type = 0, .desc = *std::move(blob)});
  }
}

Status KdumpSource::IndexBitmaps() {
  const uint64_t block = header_.block_bytes;
  max_pages_ =
      header_.version >= 6 && sub_.max_mapnr_64 != 0 ? sub_.max_mapnr_64 : header_.max_mapnr;
  if (max_pages_ == 0) return Fail(ErrorCode::kCorrupt, At("max_mapnr: 0 pages"));
  // On arm, bit 0 is the first page of RAM.
  first_pfn_ = machine_ == EM_ARM ? sub_.phys_base / block : 0;
  uint64_t highest;
  if (!CheckedAdd(max_pages_, first_pfn_, &highest) || highest > kNone / block - 1) {
    return Fail(ErrorCode::kCorrupt,
                At(fmt::format("max_mapnr: {:#x} pages reach beyond 64 bits", max_pages_)));
  }
  const uint64_t bitmap_offset = block * (1 + uint64_t{header_.sub_header_blocks});
  const uint64_t bitmap_bytes = block * header_.bitmap_blocks;
  descriptors_offset_ = bitmap_offset + bitmap_bytes;
  // A single bitmap (of diskdump times) fills all of the blocks; otherwise there are two.
  const uint64_t needed_blocks = (max_pages_ / 8 + (max_pages_ % 8 != 0) + block - 1) / block;
  const bool single = needed_blocks == header_.bitmap_blocks;
  const uint64_t one_bytes = single ? bitmap_bytes : bitmap_bytes / 2;
  if (needed_blocks > one_bytes / block) {
    Lose("source.kdump.bitmap-short", fmt::format("file offset {:#x}", bitmap_offset),
         fmt::format("the bitmaps have room for {} of {} pages; the others are lost", one_bytes * 8,
                     max_pages_));
    max_pages_ = one_bytes * 8;
  }
  HMEM_ASSIGN(ram_bits_, KdumpBitmap::Index(file_, bitmap_offset, max_pages_));
  HMEM_ASSIGN(
      dumped_bits_,
      KdumpBitmap::Index(file_, single ? bitmap_offset : bitmap_offset + one_bytes, max_pages_));
  return {};
}

Status KdumpSource::MapRam() {
  bool full = false;
  HMEM_TRY(ram_bits_.ForEachRun([&](uint64_t first, uint64_t end) {
    if (ram_.size() == kMaxRamRanges) {
      full = true;
      ram_.back().end = AddressOf(max_pages_);
      return false;
    }
    ram_.push_back({AddressOf(first), AddressOf(end)});
    return true;
  }));
  if (full) {
    findings_.Add(
        Severity::kError, "source.kdump.ram-ranges", "bitmap 1",
        fmt::format("more than {} ranges of RAM; the last one stands for the rest", kMaxRamRanges));
  }
  return {};
}

Status KdumpSource::CountDescriptors() {
  auto before = [&](uint64_t pfn) -> Result<uint64_t> {
    if (pfn <= first_pfn_) return 0;
    const uint64_t bit = BitOf(pfn);
    if (bit >= dumped_bits_.bits()) return dumped_bits_.count();
    return dumped_bits_.Rank(bit);
  };
  HMEM_ASSIGN(first_descriptor_, before(part_start_));
  HMEM_ASSIGN(const uint64_t end, before(part_end_));
  descriptors_ = end - first_descriptor_;
  if ((header_.status & format::kKdumpIncomplete) != 0) {
    told_bits_ = 0;
    if (dumped_bits_.count() != 0) {
      HMEM_ASSIGN(const uint64_t last, dumped_bits_.Select(dumped_bits_.count() - 1));
      told_bits_ = last + 1;
    }
  }
  return {};
}

bool KdumpSource::InFile(const KdumpDescriptor& descriptor) const {
  return descriptor.offset != 0 && descriptor.offset <= file_.size_bytes() &&
         descriptor.bytes <= file_.size_bytes() - descriptor.offset;
}

// Up to `most` descriptors from number `first` on. Those behind the end of the file are
// zero.
Result<KdumpSource::DescriptorWindow> KdumpSource::ReadWindow(uint64_t first, uint64_t most) const {
  uint64_t count = std::min(most, descriptors_ - first);
  std::vector<std::byte> bytes(count * format::kKdumpDescriptorBytes);
  HMEM_ASSIGN(size_t n,
              file_.ReadSome(descriptors_offset_ + first * format::kKdumpDescriptorBytes, bytes));
  DescriptorWindow window(count);
  for (uint64_t i = 0; i < n / format::kKdumpDescriptorBytes; ++i) {
    auto at = std::span(bytes)
                  .subspan(i * format::kKdumpDescriptorBytes)
                  .first<format::kKdumpDescriptorBytes>();
    window[i] = format::ParseKdumpDescriptor(at, header_.endian);
  }
  return window;
}

// All at one place: zero pages, which share their bytes and say nothing about the end of the file.
bool KdumpSource::SaysNothing(const DescriptorWindow& window) {
  return std::all_of(window.begin(), window.end(),
                     [&](const KdumpDescriptor& d) { return d.offset == window.front().offset; });
}

// The number of the first descriptor without bytes; window `high` has one. Data lies in page order,
// so halving finds the place; windows that say nothing are stepped over, a bounded number of them.
Result<uint64_t> KdumpSource::FirstMissing(uint64_t high) const {
  auto missing = [&](const KdumpDescriptor& d) { return !InFile(d); };
  uint64_t low = 0;
  uint64_t steps = 0;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    for (uint64_t at = middle;; --at) {
      HMEM_ASSIGN(DescriptorWindow window, ReadWindow(at * kWindowDescriptors));
      if (std::any_of(window.begin(), window.end(), missing)) {
        high = at;
        break;
      }
      if (!SaysNothing(window) || at == low || ++steps > kMaxHalvingWindows) {
        low = middle + 1;
        break;
      }
    }
  }
  HMEM_ASSIGN(DescriptorWindow window, ReadWindow(high * kWindowDescriptors));
  auto it = std::find_if(window.begin(), window.end(), missing);
  return high * kWindowDescriptors + static_cast<uint64_t>(it - window.begin());
}

// Was the file cut? The last pages that have bytes of their own tell, without reading every
// descriptor.
Status KdumpSource::CheckEnd() {
  std::string end = fmt::format("file offset {:#x}", file_.size_bytes());
  if (ram_bits_.bits() < max_pages_ || dumped_bits_.bits() < max_pages_) {
    Lose("source.kdump.truncated", end,
         fmt::format("the file ends inside its bitmaps, before any page: RAM is known up to phys "
                     "{:#x}, no page is there",
                     AddressOf(ram_bits_.bits()).value));
    return {};
  }
  if (descriptors_ == 0) return {};
  uint64_t window_number = (descriptors_ - 1) / kWindowDescriptors;
  uint64_t step = 1;
  for (uint64_t looked = 1;; ++looked) {
    HMEM_ASSIGN(DescriptorWindow window, ReadWindow(window_number * kWindowDescriptors));
    auto in_file = [&](const KdumpDescriptor& d) { return InFile(d); };
    if (!std::all_of(window.begin(), window.end(), in_file)) {
      HMEM_ASSIGN(uint64_t number, FirstMissing(window_number));
      HMEM_ASSIGN(uint64_t bit,
                  dumped_bits_.Select(first_descriptor_ + std::min(number, descriptors_ - 1)));
      Lose("source.kdump.truncated", end,
           fmt::format(
               "pages from phys {:#x} on are missing, up to {} of {} (all-zero ones may be there)",
               AddressOf(bit).value, descriptors_ - number, descriptors_));
      return {};
    }
    if (window_number == 0 || !SaysNothing(window)) break;
    if (looked >= kMaxTailWindows) step *= 2;
    window_number -= std::min(step, window_number);
  }
  if (step > 1) {
    Lose("source.kdump.end-not-checked", end,
         fmt::format("all-zero pages fill the last {} descriptors; whether the file was cut among "
                     "them was not checked",
                     kMaxTailWindows * kWindowDescriptors));
  }
  return {};
}

// Of pages that bitmap 2 has, `pages` of them in a row.
Result<PageFateRun> KdumpSource::FateOfDumped(uint64_t bit, uint64_t pages) const {
  const uint64_t pfn = PfnOf(bit);
  if (pfn < part_start_)
    return PageFateRun{PageFate::kNotReached, std::min(pages, part_start_ - pfn)};
  if (pfn >= part_end_) return PageFateRun{PageFate::kNotReached, pages};
  pages = std::min(pages, part_end_ - pfn);
  HMEM_ASSIGN(uint64_t number, DescriptorNumber(bit));
  uint64_t at;
  if (!CheckedMul(number, format::kKdumpDescriptorBytes, &at) ||
      !CheckedAdd(at, descriptors_offset_, &at) || at >= file_.size_bytes()) {
    return PageFateRun{PageFate::kNotReached, pages};
  }
  HMEM_ASSIGN(DescriptorWindow window, ReadWindow(number, std::min(pages, kWindowDescriptors)));
  bool present = InFile(window.front());
  auto other = std::find_if(window.begin(), window.end(),
                            [&](const KdumpDescriptor& d) { return InFile(d) != present; });
  return PageFateRun{present ? PageFate::kPresent : PageFate::kNotReached,
                     static_cast<uint64_t>(other - window.begin())};
}

Result<PageFateRun> KdumpSource::Fate(uint64_t pfn, uint64_t most_pages) const {
  if (pfn < first_pfn_) return PageFateRun{PageFate::kHole, std::min(first_pfn_ - pfn, most_pages)};
  uint64_t bit = BitOf(pfn);
  if (bit >= max_pages_) return PageFateRun{PageFate::kHole, most_pages};
  uint64_t limit = bit + std::min(max_pages_ - bit, most_pages);
  const bool cut = bit >= dumped_bits_.bits();
  if (!cut) {
    limit = std::min(limit, dumped_bits_.bits());
    HMEM_ASSIGN(limit, dumped_bits_.RunEnd(bit, limit));
    HMEM_ASSIGN(bool dumped, dumped_bits_.Test(bit));
    if (dumped) return FateOfDumped(bit, limit - bit);
  }
  if (bit >= ram_bits_.bits()) return PageFateRun{PageFate::kNotReached, limit - bit};
  limit = std::min(limit, ram_bits_.bits());
  HMEM_ASSIGN(limit, ram_bits_.RunEnd(bit, limit));
  HMEM_ASSIGN(bool is_ram, ram_bits_.Test(bit));
  if (!is_ram) return PageFateRun{PageFate::kHole, limit - bit};
  if (cut || bit >= told_bits_) return PageFateRun{PageFate::kNotReached, limit - bit};
  return PageFateRun{PageFate::kExcluded, std::min(limit, told_bits_) - bit};
}

PageFateRun KdumpSource::FateFrom(Pfn pfn, uint64_t most_pages) const {
  std::lock_guard lock(mutex_);
  auto run = Fate(pfn.value, most_pages);
  return run ? *run : PageFateRun{PageFate::kDamaged, 1};
}

Result<uint64_t> KdumpSource::DescriptorNumber(uint64_t bit) const {
  HMEM_ASSIGN(uint64_t number, dumped_bits_.Rank(bit));
  return number - first_descriptor_;
}

// Of a page that is the part's. Zero where the file ends before it.
Result<KdumpDescriptor> KdumpSource::DescriptorOf(uint64_t bit) const {
  HMEM_ASSIGN(uint64_t number, DescriptorNumber(bit));
  std::array<std::byte, format::kKdumpDescriptorBytes> bytes{};
  HMEM_ASSIGN(size_t n, file_.ReadSome(descriptors_offset_ + number * bytes.size(), bytes));
  if (n < bytes.size()) return KdumpDescriptor{};
  return format::ParseKdumpDescriptor(bytes, header_.endian);
}

Status KdumpSource::Unpack(const KdumpDescriptor& descriptor, std::vector<std::byte>& packed,
                           std::span<std::byte> out) const {
  std::string_view codec_name = format::KdumpCodecName(descriptor.flags);
  std::string place = fmt::format("file offset {:#x}", descriptor.offset);
  if (codec_name.empty()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: page flags {:#x} name no codec", place, descriptor.flags));
  }
  if (descriptor.bytes > header_.block_bytes) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: page of {} bytes, at most {}", place,
                                                 descriptor.bytes, header_.block_bytes));
  }
  HMEM_ASSIGN(const codec::Codec* codec, Within(place, codec::FindCodec(codec_name)));
  packed.resize(descriptor.bytes);
  HMEM_TRY(file_.Read(descriptor.offset, packed));
  return Within(place, codec->unpack(packed, out));
}

Result<std::span<const std::byte>> KdumpSource::Page(uint64_t pfn) const {
  CachedPage& slot = pages_[pfn % kCachedPages];
  if (slot.pfn == pfn) return slot.bytes;
  HMEM_ASSIGN(PageFateRun run, Fate(pfn, 1));
  switch (run.fate) {
    case PageFate::kHole:
      return Fail(ErrorCode::kNotFound, "no RAM there");
    case PageFate::kExcluded:
      return Fail(ErrorCode::kExcluded, "left out when the dump was written");
    case PageFate::kNotReached:
      return Fail(ErrorCode::kTruncated,
                  fmt::format("{} ends, or its writer stopped, before this page", file_.path()));
    case PageFate::kPresent:
    case PageFate::kUnreadable:
    case PageFate::kDamaged:
      break;
  }
  HMEM_ASSIGN(KdumpDescriptor descriptor, DescriptorOf(BitOf(pfn)));
  slot.pfn = kNone;
  slot.bytes.resize(header_.block_bytes);
  HMEM_TRY(Unpack(descriptor, packed_, slot.bytes));
  slot.pfn = pfn;
  return slot.bytes;
}

Status KdumpSource::Read(PhysAddr addr, std::span<std::byte> out) const {
  std::lock_guard lock(mutex_);
  while (!out.empty()) {
    uint64_t at = addr.value % header_.block_bytes;
    size_t n = static_cast<size_t>(std::min<uint64_t>(out.size(), header_.block_bytes - at));
    auto page = Page(addr.value / header_.block_bytes);
    if (!page)
      return std::unexpected(std::move(page).error().Within(fmt::format("phys {:#x}", addr.value)));
    std::copy_n(page->begin() + static_cast<ptrdiff_t>(at), n, out.begin());
    out = out.subspan(n);
    addr = addr + n;
  }
  return {};
}

Status KdumpSource::Verify(Findings& findings) const {
  std::lock_guard lock(mutex_);
  findings.Merge(findings_);
  uint64_t number = 0;           // of the descriptor
  uint64_t good_offset = kNone;  // of the page that was unpacked last: zero pages share one
  DescriptorWindow window;
  std::vector<std::byte> page(header_.block_bytes);
  Status status;
  HMEM_TRY(dumped_bits_.ForEachRun([&](uint64_t first, uint64_t end) {
    for (uint64_t bit = first; bit < end; ++bit) {
      if (PfnOf(bit) < part_start_ || PfnOf(bit) >= part_end_) continue;
      if (number % kWindowDescriptors == 0) {
        auto next = ReadWindow(number);
        if (!next) {
          status = std::unexpected(next.error());
          return false;
        }
        window = *std::move(next);
      }
      const KdumpDescriptor& descriptor = window[number++ % kWindowDescriptors];
      auto place = [&] { return fmt::format("phys {:#x}", AddressOf(bit).value); };
      if (!InFile(descriptor)) {
        findings.Add(Severity::kLoss, "source.kdump.page-missing", place(),
                     "the file ends, or its writer stopped, before these pages");
      } else if (descriptor.offset != good_offset) {
        if (Status unpacked = Unpack(descriptor, packed_, page); unpacked) {
          good_offset = descriptor.offset;
        } else {
          findings.Add(Severity::kLoss, "source.kdump.page-damaged", place(),
                       unpacked.error().ToString());
        }
      }
    }
    return true;
  }));
  return status;
}

}  // namespace

Result<KdumpPart> OpenKdumpPart(const std::string& path, const OpenOptions& options) {
  HMEM_ASSIGN(auto source, KdumpSource::Open(path, options));
  const PfnRange pages = source->part();
  return KdumpPart{.source = std::move(source), .pages = pages};
}

const SourceFormat& KdumpSourceFormat() {
  static constexpr SourceFormat kFormat{
      .name = "kdump",
      .sniff =
          [](std::span<const std::byte> head) {
            return StartsWith(head, format::kKdumpSignature) ||
                   StartsWith(head, format::kDiskdumpSignature);
          },
      .open = &KdumpSource::OpenAlone,
  };
  return kFormat;
}

}  // namespace hmem::source
