// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/device_source.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "hmem/format/elf_note.h"
#include "tests/fakes/fake_hmem_device.h"
#include "tests/makers/pattern.h"

namespace hmem::source {
namespace {

using fakes::FakeHmemDevice;
using makers::Bytes;
using makers::Pattern;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kWindow = 64 * 1024;
// Large reads of so much, and it is measured which way is the faster.
constexpr uint64_t kDecides = 4 * kWindow;

const Finding* Find(const Findings& findings, std::string_view id) {
  auto all = findings.all();
  auto it = std::find_if(all.begin(), all.end(), [&](const Finding& f) { return f.id == id; });
  return it == all.end() ? nullptr : &*it;
}

std::vector<std::byte> Notes(std::string_view vmcoreinfo, Endian endian = Endian::kLittle) {
  std::vector<Note> notes = {{"CORE", NT_PRSTATUS, Pattern(9, 336)},
                             {"VMCOREINFO", 0, Bytes(vmcoreinfo)}};
  return format::SerializeNotes(notes, endian);
}

class DeviceSource : public testing::Test {
 protected:
  DeviceSource() : fake_(std::make_unique<FakeHmemDevice>()), device_(fake_.get()) {}

  Result<std::unique_ptr<MemorySource>> TryOpen() {
    return OpenDeviceSource(std::move(fake_),
                            {.map_window_bytes = kWindow, .clock = device_->Clock()});
  }
  const MemorySource& Open() {
    auto source = TryOpen();
    if (!source) {
      ADD_FAILURE() << source.error().ToString();
      std::abort();
    }
    source_ = *std::move(source);
    return *source_;
  }
  void ExpectRefused(ErrorCode code, std::string_view saying) {
    auto source = TryOpen();
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code(), code) << source.error().ToString();
    EXPECT_THAT(source.error().ToString(), HasSubstr(saying));
    EXPECT_THAT(source.error().ToString(), StartsWith("/dev/hmem: "));
  }
  // Opens, with this one thing wrong.
  void ExpectLoss(std::string_view id) {
    const MemorySource& source = Open();
    EXPECT_NE(Find(source.findings(), id), nullptr) << id;
    EXPECT_EQ(source.findings().all().size(), 1u);
    EXPECT_FALSE(source.complete());
    EXPECT_TRUE(source.findings().HasLosses());
  }

  std::vector<std::byte> ReadAll(uint64_t start, size_t bytes) {
    std::vector<std::byte> out(bytes);
    Status status = source_->Read(PhysAddr(start), out);
    EXPECT_TRUE(status) << status.error().ToString();
    return out;
  }
  Error ReadError(uint64_t start, size_t bytes = 16) {
    std::vector<std::byte> out(bytes);
    Status status = source_->Read(PhysAddr(start), out);
    EXPECT_FALSE(status);
    return status ? Error(ErrorCode::kInvalidArgument, "was read") : status.error();
  }

  std::unique_ptr<FakeHmemDevice> fake_;
  FakeHmemDevice* device_;
  std::unique_ptr<MemorySource> source_;
};

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
  EXPECT_EQ(ReadError(0x1000, 3 * kWindow).code(), ErrorCode::kNotFound);
}

// In both ways of reading.
class EitherWay : public DeviceSource, public testing::WithParamInterface<bool> {
 protected:
  EitherWay() { (GetParam() ? device_->call_ns_per_kib : device_->map_ns_per_kib) = 1000; }
  std::string_view Chosen() const { return GetParam() ? "mmap (" : "HMEM_READV ("; }
};

INSTANTIATE_TEST_SUITE_P(DeviceSource, EitherWay, testing::Bool(),
                         [](const auto& param) { return param.param ? "Map" : "Call"; });

TEST_P(EitherWay, TheFasterOneIsTaken) {
  device_->Ram(PhysAddr(0), Pattern(1, 32 * kWindow));
  const MemorySource& source = Open();
  EXPECT_EQ(source.AccessText(), "");
  EXPECT_EQ(ReadAll(kPage, kDecides - kPage).size(), kDecides - kPage);
  for (int i = 0; i < 100; ++i) ReadAll(kPage, 2 * kPage);
  EXPECT_EQ(source.AccessText(), "");  // not yet worth asking
  EXPECT_EQ(device_->done().maps, 0u);
  std::vector<std::byte> whole = Pattern(1, 32 * kWindow);
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_THAT(source.AccessText(), StartsWith(Chosen()));
  EXPECT_THAT(source.AccessText(),
              HasSubstr(GetParam() ? " 976 MiB/s by HMEM_READV" : "(976 MiB/s"));
  auto before = device_->done();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_EQ(device_->done().calls == before.calls, GetParam());
  EXPECT_EQ(device_->done().maps == before.maps, !GetParam());
}

TEST_P(EitherWay, SpansUnalignedRangesAndReadsZerosBetweenThem) {
  // The middle page holds the end of one range and the start of another.
  std::vector<std::byte> first = Pattern(1, 3 * kWindow + 0x123);
  std::vector<std::byte> second = Pattern(2, 3 * kWindow);
  device_->Ram(PhysAddr(0x100200), first).Ram(PhysAddr(0x100200 + first.size() + 0x40), second);
  const MemorySource& source = Open();
  uint64_t size = (0x200 + first.size() + 0x40 + second.size() + kPage - 1) / kPage * kPage;
  std::vector<std::byte> expected(size);
  std::copy(first.begin(), first.end(), expected.begin() + 0x200);
  std::copy(second.begin(), second.end(),
            expected.begin() + static_cast<ptrdiff_t>(0x240 + first.size()));
  ASSERT_EQ(source.ram().size(), 1u);
  EXPECT_EQ(source.ram()[0], (PhysRange{PhysAddr(0x100000), PhysAddr(0x100000 + size)}));
  for (size_t step : {size, size_t{kPage}, size_t{1000}, size_t{64}}) {
    std::vector<std::byte> all(size);
    for (size_t at = 0; at < size; at += step) {
      auto piece = std::span(all).subspan(at, std::min(step, size - at));
      ASSERT_TRUE(source.Read(PhysAddr(0x100000 + at), piece)) << at;
    }
    EXPECT_EQ(all, expected) << step;
  }
}

TEST_P(EitherWay, APageThatCannotBeReadIsNotTouchedAgain) {
  std::vector<std::byte> whole = Pattern(1, 32 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  const PhysRange bad{PhysAddr(9 * kWindow + 3 * kPage), PhysAddr(9 * kWindow + 4 * kPage)};
  device_->Spoil(bad);
  const MemorySource& source = Open();
  ReadAll(0, kDecides);
  Error error = ReadError(8 * kWindow, 4 * kWindow);
  EXPECT_EQ(error.code(), ErrorCode::kIo);
  EXPECT_EQ(error.errno_value(), EIO);
  EXPECT_THAT(error.ToString(), HasSubstr("offset 0x93000: memory error"));
  uint64_t touched = device_->done().bad_touched;
  device_->Write(bad.start, Pattern(3));
  EXPECT_EQ(ReadError(8 * kWindow, 4 * kWindow).errno_value(), EIO);
  EXPECT_EQ(ReadError(bad.start.value, kPage).errno_value(), EIO);
  EXPECT_EQ(ReadError(bad.start.value + 8, 8).errno_value(), EIO);
  EXPECT_EQ(device_->done().bad_touched, touched);
  // All around it is there.
  for (uint64_t page = 8 * kWindow; page < 12 * kWindow; page += kPage) {
    if (page == bad.start.value) continue;
    std::vector<std::byte> out = ReadAll(page, kPage);
    EXPECT_TRUE(std::equal(out.begin(), out.end(), whole.begin() + static_cast<ptrdiff_t>(page)));
  }
  Findings findings;
  ASSERT_TRUE(source.Verify(findings));
  const Finding* found = Find(findings, "source.device.unreadable");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->count, 1u);
  EXPECT_EQ(found->places[0], "phys 0x93000-0x94000");
}

TEST_P(EitherWay, WhatElseTheMachineDidIsNoMeasure) {
  device_->Ram(PhysAddr(0), Pattern(1, 32 * kWindow));
  // The first sample of the faster way takes a hundred times as long as it should.
  int asked = 0;
  int slow = GetParam() ? 2 : 4;  // end of the first mapping; of the first call
  auto clock = [&, late = uint64_t{0}]() mutable {
    if (++asked == slow + 1) late = 500'000'000;
    return device_->Clock()() + late;
  };
  auto source = OpenDeviceSource(std::move(fake_), {.map_window_bytes = kWindow, .clock = clock});
  ASSERT_TRUE(source);
  source_ = *std::move(source);
  ReadAll(0, kDecides);
  EXPECT_THAT(source_->AccessText(), StartsWith(Chosen()));
}

TEST_P(EitherWay, MemoryThatCannotBeReadIsNoMeasure) {
  device_->Ram(PhysAddr(0), Pattern(1, 32 * kWindow));
  // Where the first sample is taken.
  device_->Spoil({PhysAddr(0), PhysAddr(kPage)});
  const MemorySource& source = Open();
  ReadAll(16 * kWindow, kDecides);
  EXPECT_THAT(source.AccessText(), StartsWith(Chosen()));
}

TEST_P(EitherWay, ServesSeveralThreads) {
  std::vector<std::byte> whole = Pattern(1, 8 * kWindow);
  device_->Ram(PhysAddr(0x100000), whole);
  const MemorySource& source = Open();
  std::vector<std::jthread> threads;
  for (size_t size : {size_t{16}, size_t{kPage}, size_t{kWindow}, size_t{2 * kWindow}}) {
    threads.emplace_back([&, size] {
      std::vector<std::byte> out(size);
      for (size_t at = 0; at + size <= whole.size(); at += size) {
        ASSERT_TRUE(source.Read(PhysAddr(0x100000 + at), out));
        ASSERT_TRUE(std::equal(out.begin(), out.end(), whole.begin() + static_cast<ptrdiff_t>(at)));
      }
    });
  }
}

TEST_F(DeviceSource, SmallReadsComeFromACacheOfPages) {
  device_->Ram(PhysAddr(0x1000), Pattern(1, 4 * kPage));
  Open();
  for (int i = 0; i < 50; ++i) ReadAll(0x1800 + 16 * static_cast<uint64_t>(i), 64);
  EXPECT_EQ(device_->done().calls, 1u);
  EXPECT_EQ(device_->done().maps, 0u);
}

TEST_F(DeviceSource, WithoutSafeCopiesNothingIsReadByTheKernel) {
  device_->info.features = 0;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  device_->Spoil({PhysAddr(kPage), PhysAddr(2 * kPage)});
  const MemorySource& source = Open();
  EXPECT_EQ(ReadAll(2 * kWindow, 100).size(), 100u);
  EXPECT_EQ(ReadAll(3 * kWindow, 2 * kPage).size(), 2 * kPage);
  EXPECT_EQ(ReadAll(2 * kWindow, kWindow).size(), kWindow);
  EXPECT_EQ(ReadError(kPage + 8, 8).errno_value(), EIO);
  EXPECT_EQ(ReadError(0, kWindow).errno_value(), EIO);
  EXPECT_EQ(device_->done().calls, 0u);
  EXPECT_EQ(source.AccessText(), "mmap, since its copies do not survive memory errors");
}

TEST_F(DeviceSource, WithoutSafeCopiesTheEndsOfRangesAreMapped) {
  device_->info.features = 0;
  device_->Ram(PhysAddr(0x1100), Pattern(1, 0x200)).Ram(PhysAddr(0x5100), Pattern(2, 0x2000));
  device_->Spoil({PhysAddr(0x7000), PhysAddr(0x8000)});
  Open();
  EXPECT_EQ(ReadAll(0x1100, 0x200), Pattern(1, 0x200));
  EXPECT_EQ(ReadAll(0x5000, 0x2000).size(), 0x2000u);
  EXPECT_EQ(ReadError(0x5000, 0x3000).errno_value(), EIO);
  EXPECT_EQ(ReadError(0x7000, 0x100).errno_value(), EIO);
  EXPECT_EQ(device_->done().calls, 0u);
}

TEST_F(DeviceSource, WhereMappingFailsItIsReadByCall) {
  device_->maps = false;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  const MemorySource& source = Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_EQ(source.AccessText(), "HMEM_READV, since mmap fails");
}

TEST_F(DeviceSource, WhereMappingFailsAndCopiesAreNotSafeItIsReadByCall) {
  device_->maps = false;
  device_->info.features = 0;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
}

TEST_F(DeviceSource, WithoutReadVItIsMapped) {
  device_->info.readv_max_bytes = 0;
  device_->info.features = 0;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_EQ(ReadAll(8, 8).size(), 8u);
  EXPECT_EQ(device_->done().calls, 0u);
}

TEST_F(DeviceSource, WithoutReadVAndMappingNothingCanBeRead) {
  device_->info.readv_max_ranges = 0;
  device_->maps = false;
  device_->Ram(PhysAddr(0), Pattern(1, kWindow));
  Open();
  EXPECT_EQ(ReadError(0, kWindow).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(ReadError(0, 8).code(), ErrorCode::kUnsupported);
}

TEST_F(DeviceSource, SmallLimitsOfReadVAreKept) {
  device_->maps = false;
  device_->info.readv_max_bytes = 1000;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
}

TEST_F(DeviceSource, ReadsOnAfterASignal) {
  device_->Ram(PhysAddr(0), Pattern(1, 2 * kPage));
  int calls = 0;
  device_->on_range = [&](hmem_range& range) {
    if (++calls == 1) return EINTR;
    if (calls == 2) {
      range.done = 100;
      range.status = -EINTR;
    }
    if (calls == 3) range.done = 200;  // short, without a reason
    return 0;
  };
  Open();
  EXPECT_EQ(ReadAll(0, 2 * kPage), Pattern(1, 2 * kPage));
  EXPECT_EQ(calls, 4);
}

TEST_F(DeviceSource, DoesNotAskForEver) {
  device_->Ram(PhysAddr(0), Pattern(1, 2 * kPage));
  device_->on_range = [&](hmem_range& range) {
    range.done = 0;
    return 0;
  };
  Open();
  EXPECT_THAT(ReadError(0, 2 * kPage).ToString(), HasSubstr("HMEM_READV delivers nothing"));
  device_->on_range = [&](hmem_range&) { return EINTR; };
  EXPECT_EQ(ReadError(0, 2 * kPage).errno_value(), EINTR);
}

TEST_F(DeviceSource, AnswersOfReadVThatCannotBeAreRefused) {
  device_->Ram(PhysAddr(0), Pattern(1, 2 * kPage));
  Open();
  auto answer = [&](uint32_t done, int status) {
    device_->on_range = [=](hmem_range& range) {
      range.done = done;
      range.status = status;
      return 0;
    };
    return ReadError(0, 2 * kPage);
  };
  EXPECT_EQ(answer(2 * kPage + 1, 0).code(), ErrorCode::kCorrupt);
  EXPECT_EQ(answer(0, 5).code(), ErrorCode::kCorrupt);
  EXPECT_EQ(answer(2 * kPage, -EIO).code(), ErrorCode::kCorrupt);
  EXPECT_EQ(answer(0, -EPERM).errno_value(), EPERM);
  EXPECT_THAT(answer(0, -ENXIO).ToString(), HasSubstr("a hole where HMEM_REGIONS has memory"));
  device_->on_range = [](hmem_range&) { return EFAULT; };
  EXPECT_EQ(ReadError(0, 2 * kPage).errno_value(), EFAULT);
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
