// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "tests/device/old_memory.h"
#include "tests/device/tests.h"

namespace hmem::device_test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr uint64_t kGiB = 1 << 30;
constexpr size_t kPeriod = 2 * kMiB;
// From a signal to the end of the call; emulated, on a busy machine.
constexpr auto kPrompt = std::chrono::seconds(2);

volatile sig_atomic_t signals_seen;

void CountSignal(int) { signals_seen = signals_seen + 1; }

void OnAlarm(Check& check, int flags) {
  struct sigaction action = {};
  action.sa_handler = CountSignal;
  action.sa_flags = flags;
  check.Require(::sigaction(SIGALRM, &action, nullptr) == 0, "no sigaction");
}

void StartTimer(microseconds first, microseconds then) {
  const itimerval timer = {.it_interval = {.tv_sec = 0, .tv_usec = then.count()},
                           .it_value = {.tv_sec = 0, .tv_usec = first.count()}};
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

PhysRange GiantRange(Check& check, const OldMemory& memory) {
  const PhysRange big = memory.Big();
  check.Require(big.size() >= kGiB, fmt::format("the largest range, {}, has no GiB", ToText(big)));
  return {big.start, big.start + kGiB};
}

// What was delivered of `range` into memory that repeats: the last period of it.
void ExpectTail(Check& check, const Vmcore& vmcore, PhysAddr start, const Repeated& room,
                uint64_t delivered) {
  const uint64_t tail = std::min<uint64_t>(delivered, kPeriod / 2);
  ExpectBytes(check, "what was delivered", vmcore, start + (delivered - tail),
              {room.data() + delivered - tail, tail});
}

void SignalCutsRead(Check& check, int flags) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange range = GiantRange(check, memory);
  const Repeated room(check, kGiB, kPeriod);
  OnAlarm(check, flags);
  // Shorter, until it comes in time even where a GiB is read at once.
  for (microseconds delay(64000); delay >= microseconds(50); delay /= 2) {
    signals_seen = 0;
    const auto start = steady_clock::now();
    StartTimer(delay, microseconds(0));
    const int64_t got = Pread(memory.fd.get(), room.data(), kGiB, range.start.value);
    const auto took = steady_clock::now() - start;
    if (signals_seen == 0) {
      check.Returns("a read without a signal", got, kGiB);
      StartTimer(microseconds(0), microseconds(0));
      continue;
    }
    if (got == static_cast<int64_t>(kGiB)) continue;
    check.That(got > 0, fmt::format("a read with a signal: {}", ErrnoName(got)));
    check.That(took < delay + kPrompt,
               fmt::format("{} us after the signal the read had {} bytes and went on",
                           std::chrono::duration_cast<microseconds>(took - delay).count(), got));
    if (got > 0) ExpectTail(check, vmcore, range.start, room, static_cast<uint64_t>(got));
    return;
  }
  check.Fail("no signal cut a read short");
}

void SignalHandled(Check& check) { SignalCutsRead(check, 0); }
void SignalRestarts(Check& check) { SignalCutsRead(check, SA_RESTART); }

// HMEM_READV says of each range what became of it.
void SignalCutsReadv(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  OnAlarm(check, 0);
  const uint64_t total = memory.info.readv_max_bytes;
  const uint32_t each = 64 * 1024;
  std::vector<hmem_range> ranges(total / each);
  std::vector<std::byte> buffer(total);
  const PhysAddr first = memory.Middle(total).start;
  bool cut = false;
  for (microseconds delay(16000); delay >= microseconds(20) && !cut; delay /= 2) {
    for (size_t i = 0; i < ranges.size(); ++i)
      ranges[i] = {.phys = first.value + i * each, .bytes = each};
    std::ranges::fill(buffer, std::byte{0xa5});
    hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(ranges.data()),
                        .buffer = reinterpret_cast<uintptr_t>(buffer.data()),
                        .buffer_bytes = total,
                        .count = static_cast<uint32_t>(ranges.size())};
    StartTimer(delay, microseconds(0));
    const int64_t answer = Ioctl(memory.fd.get(), HMEM_READV, &asked);
    StartTimer(microseconds(0), microseconds(0));
    if (answer == -EINTR) continue;  // it came before the first byte
    check.Require(answer == 0, fmt::format("HMEM_READV: {}", ErrnoName(answer)));
    for (size_t i = 0; i < ranges.size(); ++i) {
      const std::span<const std::byte> room = std::span(buffer).subspan(i * each, each);
      check.That(ranges[i].status == 0 || ranges[i].status == -EINTR,
                 fmt::format("status {}", ErrnoName(ranges[i].status)));
      check.That((ranges[i].status == 0) == (ranges[i].done == each),
                 "status and bytes done disagree");
      check.That(!cut || ranges[i].status != 0, "a range behind one that a signal cut was read");
      cut |= ranges[i].status != 0;
      // Of those that were read a few are looked at; of the others all must be as they were.
      if (ranges[i].done == each && i % 64 != 0) continue;
      ExpectBytes(check, "a range", vmcore, PhysAddr(ranges[i].phys), room.first(ranges[i].done));
      check.That(std::ranges::all_of(room.subspan(ranges[i].done),
                                     [](std::byte byte) { return byte == std::byte{0xa5}; }),
                 "room that was not delivered to was written");
    }
  }
  check.That(cut, "no signal cut HMEM_READV short");
}

// Signals all the time: every answer is right, and EINTR came with nothing.
void SignalStorm(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  OnAlarm(check, 0);
  const PhysRange middle = memory.Middle(4 * kMiB);
  std::vector<std::byte> buffer(64 * 1024);
  StartTimer(microseconds(300), microseconds(300));
  int whole = 0;
  const auto end = steady_clock::now() + milliseconds(1500);
  for (int turn = 0; steady_clock::now() < end; ++turn) {
    const PhysAddr at = middle.start + static_cast<uint64_t>(turn) % 63 * buffer.size() + 77;
    std::ranges::fill(buffer, std::byte{0xa5});
    const int64_t got = Pread(memory.fd.get(), buffer.data(), buffer.size(), at.value);
    if (got == -EINTR) {
      check.That(
          std::ranges::all_of(buffer, [](std::byte byte) { return byte == std::byte{0xa5}; }),
          "EINTR, and bytes were delivered");
      continue;
    }
    check.Require(got > 0, fmt::format("a read among signals: {}", ErrnoName(got)));
    whole += got == static_cast<int64_t>(buffer.size());
    if (turn % 16 == 0) {
      StartTimer(microseconds(0), microseconds(0));
      ExpectBytes(check, "a read among signals", vmcore, at,
                  std::span(buffer).first(static_cast<size_t>(got)));
      StartTimer(microseconds(300), microseconds(300));
    }
  }
  StartTimer(microseconds(0), microseconds(0));
  check.That(whole > 0 && signals_seen > 10,
             fmt::format("{} whole reads, {} signals", whole, signals_seen));
}

// A process that reads, maps or asks can be killed at once.
void KilledAtOnce(Check& check) {
  const OldMemory memory(check);
  const PhysRange range = GiantRange(check, memory);
  const Repeated room(check, kGiB, kPeriod);
  for (const auto wait : {milliseconds(5), milliseconds(60), milliseconds(150)}) {
    std::array<int, 2> ends = {};
    check.Require(::pipe2(ends.data(), O_CLOEXEC) == 0, "no pipe");
    const pid_t child = ::fork();
    if (child == 0) {
      if (::write(ends[1], "r", 1) != 1) ::_exit(1);
      while (true) Pread(memory.fd.get(), room.data(), kGiB, range.start.value);
    }
    char begun = 0;
    check.Require(::read(ends[0], &begun, 1) == 1, "no child");
    std::this_thread::sleep_for(wait);
    const auto start = steady_clock::now();
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    check.That(steady_clock::now() - start < kPrompt, "a reader that was killed lived on");
    ::close(ends[0]);
    ::close(ends[1]);
  }
}

// One file, several threads, each way to read.
void ThreadsShareAFile(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange middle = memory.Middle(std::min<uint64_t>(memory.Big().size() / 2, 128 * kMiB));
  constexpr size_t kPieces = 24;
  constexpr uint64_t kPiece = kMiB + 4097;
  std::vector<std::vector<std::byte>> expected(kPieces, std::vector<std::byte>(kPiece));
  const auto place = [&](size_t piece) {
    return middle.start + piece * ((middle.size() - kPiece) / kPieces) + piece * 3;
  };
  for (size_t i = 0; i < kPieces; ++i) vmcore.Read(place(i), expected[i]);
  std::atomic<int> wrong = 0;
  const auto read = [&](size_t thread) {
    std::vector<std::byte> buffer(kPiece);
    for (size_t turn = 0; turn < 3 * kPieces; ++turn) {
      // Everybody elsewhere, so that nobody finds what he needs mapped already.
      const size_t piece = (turn * (thread + 1) + thread * 5) % kPieces;
      const PhysAddr at = place(piece);
      if (turn % 3 == 0) {
        hmem_range range = {.phys = at.value, .bytes = kPiece};
        hmem_readv asked = {.ranges = reinterpret_cast<uintptr_t>(&range),
                            .buffer = reinterpret_cast<uintptr_t>(buffer.data()),
                            .buffer_bytes = kPiece,
                            .count = 1};
        wrong += Ioctl(memory.fd.get(), HMEM_READV, &asked) != 0 || range.done != kPiece;
      } else {
        wrong +=
            Pread(memory.fd.get(), buffer.data(), kPiece, at.value) != static_cast<int64_t>(kPiece);
      }
      wrong += buffer != expected[piece];
    }
  };
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < 4; ++i) threads.emplace_back(read, i);
  threads.clear();
  check.Equal("wrong reads", static_cast<uint64_t>(wrong), 0);
}

// Two processes with files of their own read the same at once.
void TwoProcesses(Check& check) {
  const OldMemory memory(check);
  const Vmcore vmcore(check);
  const PhysRange middle = memory.Middle(16 * kMiB);
  std::vector<std::byte> expected(middle.size());
  vmcore.Read(middle.start, expected);
  std::array<pid_t, 2> children = {};
  for (pid_t& child : children) {
    child = ::fork();
    if (child != 0) continue;
    const int64_t fd = Open(kDevice, O_RDONLY);
    std::vector<std::byte> buffer(middle.size());
    for (int turn = 0; turn < 4; ++turn) {
      if (Pread(static_cast<int>(fd), buffer.data(), buffer.size(), middle.start.value) !=
              static_cast<int64_t>(buffer.size()) ||
          buffer != expected)
        ::_exit(1);
      const Mapping mapping(static_cast<int>(fd), middle.start.value, middle.size());
      if (mapping.error() != 0 ||
          std::memcmp(mapping.data(), expected.data(), expected.size()) != 0)
        ::_exit(2);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    check.Equal("how a reader ended", static_cast<uint64_t>(status), 0);
  }
}

}  // namespace

std::span<const TestCase> ConcurrencyTests() {
  static constexpr TestCase kTests[] = {
      {"signal.cuts-read", SignalHandled},     {"signal.cuts-read-with-restart", SignalRestarts},
      {"signal.cuts-readv", SignalCutsReadv},  {"signal.storm", SignalStorm},
      {"signal.killed-at-once", KilledAtOnce}, {"several.threads-share-a-file", ThreadsShareAFile},
      {"several.two-processes", TwoProcesses},
  };
  return kTests;
}

}  // namespace hmem::device_test
