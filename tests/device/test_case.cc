// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/device/test_case.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>

#include "hmem/base/fd.h"

namespace hmem::device_test {
namespace {

using std::chrono::steady_clock;

constexpr int kMaxFailuresTold = 3;
constexpr int kFailed = 1;
constexpr int kSkipped = 77;
// A record of /dev/kmsg holds less than 1 KiB.
constexpr size_t kMaxLineBytes = 900;
// What was killed and does not end is stuck in the kernel.
constexpr auto kKillWait = std::chrono::seconds(20);
constexpr auto kPollStep = std::chrono::milliseconds(20);

void WriteLine(int fd, std::string_view text) {
  const std::string line = fmt::format("{}; ", text);
  if (::write(fd, line.data(), line.size()) < 0) ::_exit(kFailed);
}

[[noreturn]] void RunChild(const TestCase& test, int report_fd) {
  ::setpgid(0, 0);
  Check check(report_fd);
  test.run(check);
  ::_exit(check.failed() ? kFailed : 0);
}

// The status of waitpid(2), or nothing when it did not end in time. Takes in what it reports.
std::optional<int> Await(pid_t child, int report_fd, steady_clock::time_point end,
                         std::string* report) {
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    // Also with what was written just before the end.
    std::array<char, 4096> text = {};
    ssize_t bytes = 0;
    while ((bytes = ::read(report_fd, text.data(), text.size())) > 0)
      report->append(text.data(), static_cast<size_t>(bytes));
    if (ended == child) return status;
    if (steady_clock::now() >= end) return std::nullopt;
    pollfd waited = {.fd = report_fd, .events = bytes == 0 ? short{0} : short{POLLIN}};
    ::poll(&waited, bytes == 0 ? 0 : 1, static_cast<int>(kPollStep.count()));
  }
}

std::string Verdict(const TestCase& test) {
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return fmt::format("FAIL {}: no pipe", test.name);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fmt::format("FAIL {}: fork: {}", test.name, std::strerror(errno));
  if (child == 0) RunChild(test, writer.get());
  writer.Reset();
  std::string report;
  const auto deadline = steady_clock::now() + std::chrono::seconds(test.seconds);
  std::optional<int> status = Await(child, reader.get(), deadline, &report);
  if (!status) {
    ::kill(-child, SIGKILL);
    ::kill(child, SIGKILL);
    const bool ended =
        Await(child, reader.get(), steady_clock::now() + kKillWait, &report).has_value();
    return fmt::format("FAIL {}: {}not done after {} s{}", test.name, report, test.seconds,
                       ended ? "" : ", and cannot be killed");
  }
  ::kill(-child, SIGKILL);
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  if (WIFSIGNALED(*status))
    return fmt::format("FAIL {}: {}signal {}", test.name, report, WTERMSIG(*status));
  if (WEXITSTATUS(*status) == 0) return fmt::format("PASS {}", test.name);
  return fmt::format("{} {}: {}", WEXITSTATUS(*status) == kSkipped ? "SKIP" : "FAIL", test.name,
                     report);
}

}  // namespace

void Check::Fail(std::string_view text) {
  if (failures_++ < kMaxFailuresTold) WriteLine(report_fd_, text);
}

void Check::Equal(std::string_view what, uint64_t found, uint64_t expected) {
  if (found != expected) Fail(fmt::format("{}: {:#x}, expected {:#x}", what, found, expected));
}

void Check::Returns(std::string_view what, int64_t found, int64_t expected) {
  if (found != expected)
    Fail(fmt::format("{}: {}, expected {}", what, ErrnoName(found), ErrnoName(expected)));
}

void Check::Refuses(std::string_view what, int64_t found, std::initializer_list<int> errnos) {
  if (std::ranges::find(errnos, -found) == errnos.end())
    Fail(fmt::format("{}: {}, expected {}", what, ErrnoName(found), ErrnoName(-*errnos.begin())));
}

void Check::Stop(std::string_view text) {
  WriteLine(report_fd_, text);
  ::_exit(kFailed);
}

void Check::Skip(std::string_view why) const {
  WriteLine(report_fd_, why);
  ::_exit(kSkipped);
}

void Say(std::string_view text) {
  std::string line = fmt::format("hmem-test: {}", text);
  std::ranges::replace(line, '\n', ' ');
  if (line.size() > kMaxLineBytes) line.resize(kMaxLineBytes);
  // Without it the line is held back until another one comes.
  line += '\n';
  const UniqueFd log(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  if (::write(log.get(), line.data(), line.size()) < 0) ::_exit(kFailed);
}

int64_t ErrnoOr(int64_t result) { return result == -1 ? -static_cast<int64_t>(errno) : result; }

std::string ErrnoName(int64_t result) {
  if (result >= 0 || result < -4095) return fmt::format("{:#x}", result);
  const char* name = ::strerrorname_np(static_cast<int>(-result));
  return name != nullptr ? name : fmt::format("errno {}", -result);
}

void RunTests(std::span<const TestCase> cases) {
  Say(fmt::format("{} tests", cases.size()));
  for (const TestCase& test : cases) {
    const auto start = steady_clock::now();
    const std::string verdict = Verdict(test);
    const std::chrono::duration<double> took = steady_clock::now() - start;
    Say(fmt::format("{} ({:.1f} s)", verdict, took.count()));
  }
}

}  // namespace hmem::device_test
