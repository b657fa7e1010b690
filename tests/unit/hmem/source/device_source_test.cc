// SPDX-License-Identifier: GPL-2.0-or-later
// What the driver says of itself and of the old kernel; how memory is read: device_reader_test.cc.
#include "hmem/source/device_source.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hmem/format/elf_note.h"
#include "tests/fakes/fake_hmem_device.h"
#include "tests/makers/pattern.h"
#include "tests/unit/hmem/source/opened_device.h"

namespace hmem::source {
namespace {

using fakes::FakeHmemDevice;
using makers::Bytes;
using makers::Pattern;

constexpr uint64_t kPage = 4096;

std::vector<std::byte> Notes(std::string_view vmcoreinfo, Endian endian = Endian::kLittle) {
  std::vector<Note> notes = {{"CORE", NT_PRSTATUS, Pattern(9, 336)},
                             {"VMCOREINFO", 0, Bytes(vmcoreinfo)}};
  return format::SerializeNotes(notes, endian);
}

class DeviceSource : public OpenedDevice {};

TEST_F(DeviceSource, TellsWhatTheDriverTells) {
  device_->Ram(PhysAddr(0x1000), Pattern(1, 2 * kPage), VirtAddr(0xffff888000001000))
      .Ram(PhysAddr(0x8000), Pattern(2))
      .Notes(Notes("OSRELEASE=6.1.0\nPAGESIZE=4096\n"))
      .Region({.start = 0x1000,
               .bytes = kPage,
               .virt = 0xffffffff81000000,
               .kind = HMEM_REGION_IMAGE,
               .reserved = 0});
  ++device_->info.region_count;
  const MemorySource& source = Open();
  EXPECT_EQ(source.format(), "device");
  EXPECT_EQ(source.path(), "/dev/hmem");
  EXPECT_EQ(source.elf_machine(), EM_X86_64);
  EXPECT_EQ(source.word_bytes(), 8);
  EXPECT_EQ(source.endian(), Endian::kLittle);
  EXPECT_EQ(source.page_bytes(), kPage);
  EXPECT_TRUE(source.complete());
  EXPECT_TRUE(source.findings().all().empty());
  ASSERT_EQ(source.ram().size(), 2u);
  EXPECT_EQ(source.ram()[0], (PhysRange{PhysAddr(0x1000), PhysAddr(0x3000)}));
  EXPECT_EQ(source.ram()[1], (PhysRange{PhysAddr(0x8000), PhysAddr(0x9000)}));
  ASSERT_EQ(source.notes().size(), 2u);
  EXPECT_EQ(source.notes()[0].desc, Pattern(9, 336));
  ASSERT_EQ(source.virt_segments().size(), 2u);
  EXPECT_EQ(source.virt_segments()[0].virt.start, VirtAddr(0xffff888000001000));
  EXPECT_EQ(source.virt_segments()[1].virt.start, VirtAddr(0xffffffff81000000));
  EXPECT_EQ(source.virt_segments()[1].phys, PhysAddr(0x1000));
  EXPECT_EQ(ReadAll(0x1000, 2 * kPage), Pattern(1, 2 * kPage));
  EXPECT_EQ(ReadAll(0x8000, kPage), Pattern(2));
  EXPECT_EQ(source.FateOf(Pfn(1)), PageFate::kPresent);
  EXPECT_EQ(source.FateOf(Pfn(3)), PageFate::kHole);
  EXPECT_EQ(source.FateOf(Pfn(8)), PageFate::kPresent);
}

TEST_F(DeviceSource, KnowsEveryClassAndOrder) {
  for (Endian endian : {Endian::kLittle, Endian::kBig}) {
    for (int word_bytes : {4, 8}) {
      fake_ = std::make_unique<FakeHmemDevice>();
      device_ = fake_.get();
      device_->info.elf_machine = EM_PPC;
      device_->info.elf_class = word_bytes == 8 ? ELFCLASS64 : ELFCLASS32;
      device_->info.elf_data = endian == Endian::kLittle ? ELFDATA2LSB : ELFDATA2MSB;
      device_->Ram(PhysAddr(0x10000), Pattern(1, 65536)).Notes(Notes("PAGESIZE=65536\n", endian));
      const MemorySource& source = Open();
      EXPECT_EQ(source.elf_machine(), EM_PPC);
      EXPECT_EQ(source.word_bytes(), word_bytes);
      EXPECT_EQ(source.endian(), endian);
      EXPECT_EQ(source.page_bytes(), 65536u);
      EXPECT_EQ(source.notes().size(), 2u);
    }
  }
}

TEST_F(DeviceSource, HolesAreNotFound) {
  device_->Ram(PhysAddr(0x1000), Pattern(1));
  Open();
  EXPECT_EQ(ReadError(0x0).code(), ErrorCode::kNotFound);
  EXPECT_EQ(ReadError(0x2000).code(), ErrorCode::kNotFound);
  EXPECT_EQ(ReadError(0x1ff8).code(), ErrorCode::kNotFound);  // runs into the hole
  EXPECT_EQ(ReadError(0x1000, 3 * kMapWindowBytes).code(), ErrorCode::kNotFound);
}

TEST_F(DeviceSource, UnsafeHolesAreRefusedByName) {
  device_->Ram(PhysAddr(0), Pattern(1)).info.state = HMEM_STATE_UNSAFE_HOLES;
  ExpectRefused(ErrorCode::kUnsupported, "unsafe holes: virtio-mem");
}

TEST_F(DeviceSource, ADeviceThatKnowsNoInfoIsAnother) {
  device_->info_error = ENOTTY;
  ExpectRefused(ErrorCode::kUnsupported, "does not know HMEM_INFO");
}

TEST_F(DeviceSource, InfoThatFailsIsAnError) {
  device_->info_error = EPERM;
  ExpectRefused(ErrorCode::kIo, "HMEM_INFO: Operation not permitted");
}

TEST_F(DeviceSource, InfoThatCannotBeIsRefused) {
  struct Wrong {
    void (*make)(hmem_info&);
    ErrorCode code;
    std::string_view saying;
  };
  const Wrong wrongs[] = {
      {[](hmem_info& i) { i.elf_class = 3; }, ErrorCode::kCorrupt, "ELF class 3"},
      {[](hmem_info& i) { i.elf_data = 0; }, ErrorCode::kCorrupt, "ELF byte order 0"},
      {[](hmem_info& i) { i.page_bytes = 5000; }, ErrorCode::kCorrupt, "pages of 5000 bytes"},
      {[](hmem_info& i) { i.page_bytes = 0; }, ErrorCode::kCorrupt, "pages of 0 bytes"},
      {[](hmem_info& i) { i.region_count = 0; }, ErrorCode::kCorrupt, "no memory"},
      {[](hmem_info& i) { i.region_count = 65537; }, ErrorCode::kLimit, "65537 regions"},
  };
  for (const Wrong& wrong : wrongs) {
    fake_ = std::make_unique<FakeHmemDevice>();
    device_ = fake_.get();
    device_->Ram(PhysAddr(0), Pattern(1));
    wrong.make(device_->info);
    ExpectRefused(wrong.code, wrong.saying);
  }
}

TEST_F(DeviceSource, ManyRegionsComeInSeveralAnswers) {
  for (uint64_t i = 0; i < 700; ++i) device_->Ram(PhysAddr(2 * i * kPage), Pattern(i, 16));
  int calls = 0;
  device_->on_regions = [&](hmem_regions& request) {
    request.count = std::min(request.count, 100u);
    ++calls;
    return 0;
  };
  const MemorySource& source = Open();
  EXPECT_EQ(source.ram().size(), 700u);
  EXPECT_EQ(calls, 7);
  EXPECT_TRUE(source.complete());
  EXPECT_EQ(ReadAll(2 * 699 * kPage, 16), Pattern(699, 16));
}

TEST_F(DeviceSource, RegionsThatEndEarlyAreALoss) {
  device_->Ram(PhysAddr(0), Pattern(1));
  device_->info.region_count = 3;
  ExpectLoss("source.device.regions-missing");
}

TEST_F(DeviceSource, MoreRegionsThanRoomAreRefused) {
  device_->Ram(PhysAddr(0), Pattern(1));
  device_->on_regions = [](hmem_regions& request) {
    request.count = 2;
    return 0;
  };
  ExpectRefused(ErrorCode::kCorrupt, "2 regions for a room of 1");
}

TEST_F(DeviceSource, RegionsThatFailAreAnError) {
  device_->Ram(PhysAddr(0), Pattern(1));
  device_->on_regions = [](hmem_regions&) { return EFAULT; };
  ExpectRefused(ErrorCode::kIo, "HMEM_REGIONS: Bad address");
}

TEST_F(DeviceSource, OnlyAnImageIsNoMemory) {
  device_->info.region_count = 1;
  device_->Region(
      {.start = 0, .bytes = kPage, .virt = 0, .kind = HMEM_REGION_IMAGE, .reserved = 0});
  ExpectRefused(ErrorCode::kCorrupt, "no usable memory");
}

TEST_F(DeviceSource, RegionsThatCannotBeArePassedOver) {
  device_->Ram(PhysAddr(0x10000), Pattern(1));
  device_->Region({.start = 0, .bytes = 0, .virt = 0, .kind = HMEM_REGION_RAM, .reserved = 0})
      .Region({.start = ~uint64_t{0} - 4095,
               .bytes = 8192,
               .virt = 0,
               .kind = HMEM_REGION_RAM,
               .reserved = 0})
      .Region({.start = ~uint64_t{0} - 8191,
               .bytes = 4096,
               .virt = 0,
               .kind = HMEM_REGION_RAM,
               .reserved = 0});
  device_->info.region_count = 4;
  const MemorySource& source = Open();
  const Finding* found = Find(source.findings(), "source.device.region-size");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->count, 3u);
  EXPECT_EQ(found->places[0], "region 1");
  EXPECT_FALSE(source.complete());
  EXPECT_EQ(source.ram().size(), 1u);
}

TEST_F(DeviceSource, RegionsOfNoKnownKindArePassedOver) {
  device_->Ram(PhysAddr(0x10000), Pattern(1));
  device_->Region({.start = 0, .bytes = kPage, .virt = 0, .kind = 7, .reserved = 0});
  device_->info.region_count = 2;
  const MemorySource& source = Open();
  EXPECT_NE(Find(source.findings(), "source.device.region-kind"), nullptr);
  EXPECT_TRUE(source.complete());
  EXPECT_EQ(source.ram().size(), 1u);
}

TEST_F(DeviceSource, RegionsThatOverlapAreMerged) {
  std::vector<std::byte> whole = Pattern(1, 4 * kPage);
  device_->Ram(PhysAddr(0x10000), whole);
  device_->Region(
      {.start = 0x9000, .bytes = 8 * kPage, .virt = 0, .kind = HMEM_REGION_RAM, .reserved = 0});
  device_->info.region_count = 2;
  device_->info.ram_bytes = 0x14000 - 0x9000;
  const MemorySource& source = Open();
  EXPECT_NE(Find(source.findings(), "source.device.region-order"), nullptr);
  EXPECT_TRUE(source.complete());
  ASSERT_EQ(source.ram().size(), 1u);
  EXPECT_EQ(source.ram()[0], (PhysRange{PhysAddr(0x9000), PhysAddr(0x14000)}));
}

TEST_F(DeviceSource, MemoryThatDoesNotAddUpIsALoss) {
  device_->Ram(PhysAddr(0), Pattern(1)).info.ram_bytes = 2 * kPage;
  ExpectLoss("source.device.ram-bytes");
}

TEST_F(DeviceSource, LongNotesComeInSeveralAnswers) {
  std::vector<std::byte> notes = Notes("PAGESIZE=4096\nX=" + std::string(200'000, 'x') + "\n");
  device_->Ram(PhysAddr(0), Pattern(1)).Notes(notes);
  const MemorySource& source = Open();
  ASSERT_EQ(source.notes().size(), 2u);
  EXPECT_TRUE(source.complete());
  EXPECT_EQ(format::SerializeNotes(source.notes(), Endian::kLittle), notes);
}

TEST_F(DeviceSource, NotesThatEndEarlyAreALoss) {
  device_->Ram(PhysAddr(0), Pattern(1)).Notes(Notes("PAGESIZE=4096\n"));
  std::vector<std::byte> first = device_->notes;
  device_->info.notes_bytes += 100;
  ExpectLoss("source.device.notes-truncated");
  EXPECT_EQ(source_->notes().size(), 2u);
}

TEST_F(DeviceSource, NotesLongerThanToldAreALoss) {
  device_->Ram(PhysAddr(0), Pattern(1)).Notes(Notes("PAGESIZE=4096\n"));
  size_t told = device_->notes.size();
  std::vector<std::byte> more = Notes("PAGESIZE=4096\n");
  device_->notes.insert(device_->notes.end(), more.begin(), more.end());
  device_->info.notes_bytes = told;
  ExpectLoss("source.device.notes-longer");
  EXPECT_EQ(source_->notes().size(), 2u);
}

TEST_F(DeviceSource, MoreNotesThanRoomAreALoss) {
  device_->Ram(PhysAddr(0), Pattern(1)).Notes(Notes("PAGESIZE=4096\n"));
  device_->on_notes = [](hmem_notes& request) {
    request.bytes = ~0u;
    return 0;
  };
  ExpectLoss("source.device.notes-unreadable");
}

TEST_F(DeviceSource, NotesThatFailAreALoss) {
  device_->Ram(PhysAddr(0), Pattern(1)).Notes(Notes("PAGESIZE=4096\n"));
  device_->on_notes = [](hmem_notes&) { return EIO; };
  ExpectLoss("source.device.notes-unreadable");
}

TEST_F(DeviceSource, NotesOfNoReasonableSizeAreNotRead) {
  device_->Ram(PhysAddr(0), Pattern(1)).info.notes_bytes = uint64_t{1} << 60;
  ExpectLoss("source.device.notes-too-large");
}

TEST_F(DeviceSource, DamagedNotesAreALoss) {
  std::vector<std::byte> notes = Notes("PAGESIZE=4096\n");
  notes.resize(notes.size() - 8);
  device_->Ram(PhysAddr(0), Pattern(1)).Notes(notes);
  ExpectLoss("source.device.notes-damaged");
  EXPECT_EQ(source_->notes().size(), 1u);
}

TEST_F(DeviceSource, AFileIsNoDevice) {
  auto device = OpenHmemDevice("/proc/version");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().code(), ErrorCode::kUnsupported);
  auto missing = OpenHmemDevice("/dev/not-there");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().errno_value(), ENOENT);
}

}  // namespace
}  // namespace hmem::source
