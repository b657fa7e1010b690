// SPDX-License-Identifier: GPL-2.0-or-later
// What went wrong, as a value: a code that programs branch on, a text that people read, and the
// places it passed through.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hmem {

enum class ErrorCode {
  kNotFound,          // no such thing here: a symbol, a key, RAM at this address (a hole)
  kNotMapped,         // a page-table entry is not present; the text names the level
  kExcluded,          // filtered out on purpose when the dump was made
  kTruncated,         // the file ends, or the dump was cut, before this
  kCorrupt,           // the bytes contradict the format or themselves
  kUnsupported,       // understood, but not something this build handles; the text names it
  kMissingDebugInfo,  // needs a type or symbol that this dump does not carry
  kIo,                // the operating system said no; see errno_value
  kInvalidArgument,   // the caller asked for something meaningless
  kLimit,             // a bound of ours was reached (length, depth, memory, time)
};

// The name as written in JSON and tests: "kNotFound" -> "not-found".
std::string_view ErrorCodeName(ErrorCode code);

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string text) : code_(code), text_(std::move(text)) {}
  // kIo from errno: text is "<what>: <strerror>".
  static Error FromErrno(std::string_view what, int errno_value);

  ErrorCode code() const { return code_; }
  int errno_value() const { return errno_value_; }
  // Only the innermost text, without the chain.
  const std::string& text() const { return text_; }

  // Adds the place the error passed through on its way up; the last added prints first.
  Error Within(std::string_view place) &&;
  Error Within(std::string_view place) const&;

  // One line, outside-in: "bt: cpu 3: NT_PRSTATUS: file offset 0x1f40: size 96, expected 336".
  std::string ToString() const;

 private:
  ErrorCode code_;
  int errno_value_ = 0;
  std::string text_;
  std::vector<std::string> places_;  // innermost first
};

}  // namespace hmem
