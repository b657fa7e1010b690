// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/temp_file.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace hmem::makers {
namespace {

[[noreturn]] void Give(std::string_view what) {
  std::fprintf(stderr, "temp_file: %.*s failed\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "hmem-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) Give("mkdtemp");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::File(std::string_view name) const { return path_ + "/" + std::string(name); }

std::string TempDir::Write(std::string_view name, std::span<const std::byte> bytes) const {
  std::ofstream out(File(name), std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) Give("write");
  return File(name);
}

std::string TempDir::WriteText(std::string_view name, std::string_view text) const {
  return Write(name, std::as_bytes(std::span(text)));
}

void TempFile::Resize(uint64_t bytes) const {
  std::error_code error;
  std::filesystem::resize_file(path_, bytes, error);
  if (error) Give("resize");
}

}  // namespace hmem::makers
