// SPDX-License-Identifier: GPL-2.0-or-later
// What hmem-init says: on the console, and kept for capture.log.
#pragma once

#include <string>
#include <string_view>

namespace hmem::init {

class Console {
 public:
  explicit Console(int fd) : fd_(fd) {}

  // "hmem: <text>" as a line of its own: one write(2), begun with a newline because the kernel may
  // be in mid-line.
  void Say(std::string_view text);

  // Everything said so far, without prefixes; at most kMaxLogBytes, later lines are dropped.
  const std::string& log() const { return log_; }

  static constexpr size_t kMaxLogBytes = 64 * 1024;

 private:
  int fd_;
  std::string log_;
};

}  // namespace hmem::init
