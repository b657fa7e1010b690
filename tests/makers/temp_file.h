// SPDX-License-Identifier: GPL-2.0-or-later
// A file, or a directory of files, that goes when the test ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hmem::makers {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` inside.
  std::string File(std::string_view name) const;
  // Writes it and returns its path.
  std::string Write(std::string_view name, std::span<const std::byte> bytes) const;
  std::string WriteText(std::string_view name, std::string_view text) const;

 private:
  std::string path_;
};

class TempFile {
 public:
  explicit TempFile(std::span<const std::byte> bytes) : path_(dir_.Write("file", bytes)) {}
  explicit TempFile(std::string_view text) : path_(dir_.WriteText("file", text)) {}

  const std::string& path() const { return path_; }
  // Makes it this long, cutting it or adding zeros.
  void Resize(uint64_t bytes) const;

 private:
  TempDir dir_;
  std::string path_;
};

}  // namespace hmem::makers
