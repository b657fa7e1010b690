// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/source/device_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "tests/makers/pattern.h"
#include "tests/unit/hmem/source/opened_device.h"

namespace hmem::source {
namespace {

using makers::Pattern;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kWindow = kMapWindowBytes;
// Large reads of so much, and it is measured which way is the faster.
constexpr uint64_t kDecides = 4 * kWindow;

class DeviceReading : public OpenedDevice {};

// In both ways of reading.
class EitherWay : public OpenedDevice, public testing::WithParamInterface<bool> {
 protected:
  EitherWay() { (GetParam() ? device_->call_ns_per_kib : device_->map_ns_per_kib) = 1000; }
  std::string_view Chosen() const { return GetParam() ? "mmap (" : "HMEM_READV ("; }
};

INSTANTIATE_TEST_SUITE_P(DeviceReader, EitherWay, testing::Bool(),
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

TEST_F(DeviceReading, LendsMemoryOfOneRange) {
  std::vector<std::byte> whole = Pattern(1, 2 * kWindow);
  device_->Ram(PhysAddr(kWindow), whole);
  const MemorySource& source = Open();
  auto lent = source.Borrow({PhysAddr(kWindow + 100), PhysAddr(2 * kWindow + 200)});
  ASSERT_TRUE(lent);
  EXPECT_TRUE(std::ranges::equal(*lent, std::span(whole).subspan(100, kWindow + 100)));
  EXPECT_FALSE(source.Borrow({PhysAddr(0), PhysAddr(16)}));
  EXPECT_FALSE(source.Borrow({PhysAddr(kWindow - 1), PhysAddr(kWindow + 1)}));
  EXPECT_FALSE(source.Borrow({PhysAddr(3 * kWindow - 1), PhysAddr(3 * kWindow + 1)}));
}

TEST_F(DeviceReading, DoesNotLendWhatCannotBeReadOrMapped) {
  device_->Ram(PhysAddr(0), Pattern(1, 4 * kWindow));
  device_->Spoil({PhysAddr(kWindow), PhysAddr(kWindow + kPage)});
  const MemorySource& source = Open();
  EXPECT_FALSE(source.Borrow({PhysAddr(kWindow - 8), PhysAddr(kWindow + 8)}));
  // Known from now on.
  uint64_t maps = device_->done().maps;
  EXPECT_FALSE(source.Borrow({PhysAddr(kWindow), PhysAddr(kWindow + 8)}));
  EXPECT_EQ(device_->done().maps, maps);
  EXPECT_EQ(ReadError(kWindow).errno_value(), EIO);
  device_->maps = false;
  EXPECT_FALSE(source.Borrow({PhysAddr(0), PhysAddr(8)}));
}

TEST_F(DeviceReading, SmallReadsComeFromACacheOfPages) {
  device_->Ram(PhysAddr(0x1000), Pattern(1, 4 * kPage));
  Open();
  for (int i = 0; i < 50; ++i) ReadAll(0x1800 + 16 * static_cast<uint64_t>(i), 64);
  EXPECT_EQ(device_->done().calls, 1u);
  EXPECT_EQ(device_->done().maps, 0u);
}

TEST_F(DeviceReading, WithoutSafeCopiesNothingIsReadByTheKernel) {
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

TEST_F(DeviceReading, WithoutSafeCopiesTheEndsOfRangesAreMapped) {
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

TEST_F(DeviceReading, WhereMappingFailsItIsReadByCall) {
  device_->maps = false;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  const MemorySource& source = Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_EQ(source.AccessText(), "HMEM_READV, since mmap fails");
}

TEST_F(DeviceReading, WhereMappingFailsAndCopiesAreNotSafeItIsReadByCall) {
  device_->maps = false;
  device_->info.features = 0;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
}

TEST_F(DeviceReading, WithoutReadVItIsMapped) {
  device_->info.readv_max_bytes = 0;
  device_->info.features = 0;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
  EXPECT_EQ(ReadAll(8, 8).size(), 8u);
  EXPECT_EQ(device_->done().calls, 0u);
}

TEST_F(DeviceReading, WithoutReadVAndMappingNothingCanBeRead) {
  device_->info.readv_max_ranges = 0;
  device_->maps = false;
  device_->Ram(PhysAddr(0), Pattern(1, kWindow));
  Open();
  EXPECT_EQ(ReadError(0, kWindow).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(ReadError(0, 8).code(), ErrorCode::kUnsupported);
}

TEST_F(DeviceReading, SmallLimitsOfReadVAreKept) {
  device_->maps = false;
  device_->info.readv_max_bytes = 1000;
  std::vector<std::byte> whole = Pattern(1, 4 * kWindow);
  device_->Ram(PhysAddr(0), whole);
  Open();
  EXPECT_EQ(ReadAll(0, whole.size()), whole);
}

TEST_F(DeviceReading, ReadsOnAfterASignal) {
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

TEST_F(DeviceReading, DoesNotAskForEver) {
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

TEST_F(DeviceReading, AnswersOfReadVThatCannotBeAreRefused) {
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

}  // namespace
}  // namespace hmem::source
