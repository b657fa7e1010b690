// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/console.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "capture-kernel/init/clock.h"

namespace hmem::init {
namespace {

// A pipe whose writer does not block stands for a terminal.
struct Terminal {
  Terminal() {
    std::array<int, 2> ends;
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
  }
  std::string Read() const {
    std::string text(1 << 20, '\0');
    ssize_t got = ::read(reader.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }
  UniqueFd reader, writer;
};

TEST(Console, SaysLinesOfTheirOwnAndKeepsThem) {
  Terminal terminal;
  Console console(std::move(terminal.writer));
  console.Say("capture kernel up");
  console.Say("rebooting");
  EXPECT_EQ(terminal.Read(), "\nhmem: capture kernel up\n\nhmem: rebooting\n");
  EXPECT_EQ(console.log(), "capture kernel up\nrebooting\n");
}

TEST(Console, ATerminalThatWasStoppedStopsNobody) {
  Terminal terminal;
  Console console(std::move(terminal.writer));
  uint64_t start_ms = UptimeMs();
  // More than a pipe holds; the first line that does not fit waits, the others do not.
  for (int i = 0; i < 100; ++i) console.Say(std::string(4000, 'x'));
  EXPECT_LT(UptimeMs() - start_ms, 10 * static_cast<uint64_t>(Console::kMaxWaitMs));
  EXPECT_GE(console.log().size(), Console::kMaxLogBytes - 4001);
  EXPECT_LE(console.log().size(), Console::kMaxLogBytes);
}

TEST(Console, ATerminalThatGoesOnIsUsedAgain) {
  Terminal terminal;
  Console console(std::move(terminal.writer));
  for (int i = 0; i < 40; ++i) console.Say(std::string(4000, 'x'));
  (void)terminal.Read();
  console.Say("rebooting");
  EXPECT_TRUE(terminal.Read().ends_with("hmem: rebooting\n"));
}

TEST(Console, OneThatIsGoneIsNoOnesTrouble) {
  Console console{UniqueFd()};
  console.Say("rebooting");
  EXPECT_EQ(console.log(), "rebooting\n");
}

}  // namespace
}  // namespace hmem::init
