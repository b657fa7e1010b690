// SPDX-License-Identifier: GPL-2.0-or-later
// A MemorySource made of settable pages, and one that spoils the reads of another.
#pragma once

#include <elf.h>

#include <cstdint>
#include <limits>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "hmem/source/memory_source.h"
#include "tests/fakes/fake_memory.h"

namespace hmem::fakes {

// What is written becomes RAM, page by page; what a dump says of itself is public and settable. A
// range set to fail tells its fate by the code: kNotFound hole, kExcluded excluded, kTruncated not
// reached, all else unreadable.
class FakeSource : public source::MemorySource {
 public:
  explicit FakeSource(Endian endian = Endian::kLittle, int word_bytes = 8,
                      uint32_t page_bytes = 4096)
      : memory(endian, page_bytes), endian_(endian), word_bytes_(word_bytes) {}

  FakePhysMemory memory;
  uint16_t machine = EM_X86_64;
  std::string format_name = "fake";
  std::string file_path = "fake";
  std::vector<source::Note> note_list;
  std::vector<source::VirtSegment> segments;
  std::vector<std::byte> first_failure_bytes;
  source::DumpIdentity identity_value;
  Findings finding_list;
  bool is_complete = true;
  // RAM beyond what was written: ranges that are holes in the memory but claimed by the map.
  std::vector<PhysRange> extra_ram;
  // Lends copies of what can be read.
  bool lends = false;

  // A VMCOREINFO note with this text ("OSRELEASE=6.1.0\nPAGESIZE=4096\n").
  void AddVmcoreinfo(std::string_view text);
  void AddNote(std::string name, uint32_t type, std::span<const std::byte> desc);

  Status Read(PhysAddr addr, std::span<std::byte> out) const override {
    return memory.Read(addr, out);
  }
  std::optional<std::span<const std::byte>> Borrow(PhysRange range) const override;
  std::string_view format() const override { return format_name; }
  const std::string& path() const override { return file_path; }
  uint16_t elf_machine() const override { return machine; }
  int word_bytes() const override { return word_bytes_; }
  Endian endian() const override { return endian_; }
  uint32_t page_bytes() const override { return memory.map().page_bytes(); }
  // Made anew at every call; the view lasts until the next one.
  std::span<const PhysRange> ram() const override;
  std::span<const source::Note> notes() const override { return note_list; }
  std::span<const source::VirtSegment> virt_segments() const override { return segments; }
  source::DumpIdentity identity() const override { return identity_value; }
  std::span<const std::byte> first_failure() const override { return first_failure_bytes; }
  // Page by page.
  source::PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const override;
  bool complete() const override { return is_complete; }
  const Findings& findings() const override { return finding_list; }
  // Reads every page of ram() and adds "source.fake.unreadable" for each that fails.
  Status Verify(Findings& findings) const override;

 private:
  Endian endian_;
  int word_bytes_;
  mutable std::vector<PhysRange> ram_;
  mutable std::list<std::vector<std::byte>> lent_;
};

// Spoils the reads of `inner`, which must outlive it; everything else is passed on.
class TearingSource : public source::MemorySource {
 public:
  explicit TearingSource(const source::MemorySource& inner) : inner_(inner) {}

  // Reads at or behind this address are kTruncated, as in a file that was cut.
  void CutAt(PhysAddr addr) { cut_ = addr; }
  // The first n reads succeed, every later one is kIo with EIO.
  void FailAfterReads(uint64_t n) { reads_left_ = n; }
  // Every nth read (1 = each) is kIo with EIO.
  void FailEvery(uint64_t n) { every_ = n; }
  // Reads that touch the range are kIo with this errno.
  void FailRange(PhysRange range, int errno_value) { bad_.push_back({range, errno_value}); }
  // Bytes of the range read inverted: memory that changed, or a flipped disk.
  void InvertRange(PhysRange range) { inverted_.push_back(range); }

  uint64_t reads() const { return reads_; }

  Status Read(PhysAddr addr, std::span<std::byte> out) const override;
  std::string_view format() const override { return inner_.format(); }
  const std::string& path() const override { return inner_.path(); }
  uint16_t elf_machine() const override { return inner_.elf_machine(); }
  int word_bytes() const override { return inner_.word_bytes(); }
  Endian endian() const override { return inner_.endian(); }
  uint32_t page_bytes() const override { return inner_.page_bytes(); }
  std::span<const PhysRange> ram() const override { return inner_.ram(); }
  std::span<const source::Note> notes() const override { return inner_.notes(); }
  std::span<const source::VirtSegment> virt_segments() const override {
    return inner_.virt_segments();
  }
  source::DumpIdentity identity() const override { return inner_.identity(); }
  std::span<const std::byte> first_failure() const override { return inner_.first_failure(); }
  source::PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const override;
  bool complete() const override { return inner_.complete() && cut_.value == kNoCut; }
  const Findings& findings() const override { return inner_.findings(); }
  Status Verify(Findings& findings) const override { return inner_.Verify(findings); }

 private:
  static constexpr uint64_t kNoCut = std::numeric_limits<uint64_t>::max();
  struct BadRange {
    PhysRange range;
    int errno_value;
  };

  const source::MemorySource& inner_;
  PhysAddr cut_{kNoCut};
  uint64_t reads_left_ = std::numeric_limits<uint64_t>::max();
  uint64_t every_ = 0;
  std::vector<BadRange> bad_;
  std::vector<PhysRange> inverted_;
  mutable uint64_t reads_ = 0;
};

}  // namespace hmem::fakes
