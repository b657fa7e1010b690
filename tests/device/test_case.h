// SPDX-License-Identifier: GPL-2.0-or-later
// A test of the device in the capture kernel, and how many of them are run: each in a process of
// its own under a deadline, so that one that dies or hangs costs itself only. A result is one line
// of the kernel's log, which nothing tears apart on the console.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hmem::device_test {

// What a test claims. It goes on after a claim that does not hold, unless it cannot.
class Check {
 public:
  // Failures are written to this descriptor.
  explicit Check(int report_fd) : report_fd_(report_fd) {}

  void Fail(std::string_view text);
  void That(bool holds, std::string_view what) {
    if (!holds) Fail(what);
  }
  void Equal(std::string_view what, uint64_t found, uint64_t expected);
  // Of a system call: its value, or the negative errno.
  void Returns(std::string_view what, int64_t found, int64_t expected);
  // An error, any of these.
  void Refuses(std::string_view what, int64_t found, std::initializer_list<int> errnos);
  // These end the test.
  void Require(bool holds, std::string_view what) {
    if (!holds) Stop(what);
  }
  [[noreturn]] void Stop(std::string_view text);
  [[noreturn]] void Skip(std::string_view why) const;

  bool failed() const { return failures_ > 0; }

 private:
  int report_fd_;
  int failures_ = 0;
};

struct TestCase {
  std::string_view name;
  void (*run)(Check& check);
  int seconds = 60;  // emulated, on a busy machine; a healthy test needs a tenth
};

// A line "hmem-test: TEXT" of the kernel's log, cut where the log would.
void Say(std::string_view text);

// The value or -errno of a system call that returned `result`.
int64_t ErrnoOr(int64_t result);
// "ENXIO", or the number.
std::string ErrnoName(int64_t result);

// "PASS NAME", "FAIL NAME: what", "SKIP NAME: why", for each.
void RunTests(std::span<const TestCase> cases);

}  // namespace hmem::device_test
