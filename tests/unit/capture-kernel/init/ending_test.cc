// SPDX-License-Identifier: GPL-2.0-or-later
// A reboot that does not come, in a process of its own.
#include "capture-kernel/init/ending.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "hmem/base/fd.h"
#include "tests/makers/temp_file.h"

namespace hmem::init {
namespace {

int Hang() {
  for (;;) ::pause();
}
int Refuse() { return -1; }

pid_t ForceRebootApart(int (*reboot_now)(), unsigned grace_seconds, const std::string& trigger) {
  pid_t pid = ::fork();
  if (pid == 0) {
    ForceReboot(reboot_now, grace_seconds, trigger.c_str());
    ::_exit(0);
  }
  return pid;
}

TEST(ForceReboot, AResetComesWhenTheRebootHangs) {
  makers::TempFile trigger(std::string_view(""));
  pid_t pid = ForceRebootApart(&Hang, 1, trigger.path());
  for (int tries = 0; tries < 100 && ReadTextFile(trigger.path(), 16).value().empty(); ++tries)
    ::usleep(100'000);
  EXPECT_EQ(ReadTextFile(trigger.path(), 16).value(), "b");
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0);  // it hangs still
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST(ForceReboot, AResetFollowsARefusalAtOnce) {
  makers::TempFile trigger(std::string_view(""));
  ::waitpid(ForceRebootApart(&Refuse, 2, trigger.path()), nullptr, 0);
  EXPECT_EQ(ReadTextFile(trigger.path(), 16).value(), "b");
}

}  // namespace
}  // namespace hmem::init
