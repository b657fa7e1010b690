// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/cpio.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/makers/temp_file.h"

namespace hmem::loader {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string Text(const std::vector<std::byte>& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// What the system's cpio says of the archive.
std::string Listing(const std::vector<std::byte>& archive) {
  makers::TempFile file(archive);
  std::string command = "cpio --quiet -itv --numeric-uid-gid <" + file.path() + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char buffer[256];
  while (pipe != nullptr && std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
  if (pipe != nullptr) ::pclose(pipe);
  return out;
}

TEST(CpioWriter, WritesAFileByteForByteAsTheFormatSays) {
  CpioWriter cpio;
  ASSERT_TRUE(cpio.AddFile("init", 0755, Bytes("hello")));
  std::string want =
      "070701"
      "00000001"
      "000081ED"
      "00000000"
      "00000000"
      "00000001"
      "00000000"
      "00000005"
      "00000000"
      "00000000"
      "00000000"
      "00000000"
      "00000005"
      "00000000"
      "init";
  want += std::string(2, '\0');  // the name's NUL, and up to 4 bytes
  want += "hello" + std::string(3, '\0');
  want +=
      "070701"
      "00000000"
      "00000000"
      "00000000"
      "00000000"
      "00000001"
      "00000000"
      "00000000"
      "00000000"
      "00000000"
      "00000000"
      "00000000"
      "0000000B"
      "00000000"
      "TRAILER!!!";
  want += '\0';
  want.resize(512);
  EXPECT_EQ(Text(cpio.Finish()), want);
}

TEST(CpioWriter, IsReadByTheSystemsCpio) {
  if (std::system("command -v cpio >/dev/null") != 0) GTEST_SKIP() << "no cpio here";
  CpioWriter cpio;
  ASSERT_TRUE(cpio.AddDirectory("proc"));
  ASSERT_TRUE(cpio.AddFile("etc/hmem/init.conf", 0644, Bytes("a = b\n")));
  ASSERT_TRUE(cpio.AddCharacterDevice("dev/console", 0600, 5, 1));
  std::string listing = Listing(cpio.Finish());
  EXPECT_NE(listing.find("drwxr-xr-x"), std::string::npos) << listing;
  EXPECT_NE(listing.find("etc/hmem/init.conf"), std::string::npos) << listing;
  EXPECT_NE(listing.find("crw-------"), std::string::npos) << listing;
  EXPECT_NE(listing.find("5,   1"), std::string::npos) << listing;
}

TEST(CpioWriter, AddsTheDirectoriesAboveAFileOnce) {
  CpioWriter cpio;
  ASSERT_TRUE(cpio.AddFile("lib/modules/a.ko", 0644, {}));
  ASSERT_TRUE(cpio.AddFile("lib/modules/b.ko", 0644, {}));
  std::string archive = Text(cpio.Finish());
  auto count = [&](const std::string& name) {
    size_t n = 0;
    for (size_t at = archive.find(name + '\0'); at != std::string::npos;
         at = archive.find(name + '\0', at + 1))
      ++n;
    return n;
  };
  EXPECT_EQ(count(std::string("lib")), 1u);
  EXPECT_EQ(count("lib/modules"), 1u);
}

TEST(CpioWriter, GivesTheSameBytesForTheSameInput) {
  auto make = [] {
    CpioWriter cpio;
    EXPECT_TRUE(cpio.AddFile("a/b", 0644, Bytes("x")));
    return cpio.Finish();
  };
  EXPECT_EQ(make(), make());
}

TEST(CpioWriter, RefusesPathsThatLeaveTheArchive) {
  for (std::string_view path : {"", "/init", "a/../b", "a//b", "./a", "a/"}) {
    auto added = CpioWriter().AddFile(path, 0644, {});
    ASSERT_FALSE(added) << path;
    EXPECT_EQ(added.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(CpioWriter, RefusesTheSamePathTwice) {
  CpioWriter cpio;
  ASSERT_TRUE(cpio.AddFile("init", 0755, {}));
  EXPECT_EQ(cpio.AddFile("init", 0755, {}).error().ToString(), "init is in the archive already");
}

}  // namespace
}  // namespace hmem::loader
