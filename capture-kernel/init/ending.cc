// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/ending.h"

#include <fcntl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <csignal>
#include <string_view>

namespace hmem::init {
namespace {

constexpr uint64_t kRebootGraceSeconds = 30;
constexpr unsigned kCrashGraceSeconds = 10;
constexpr const char* kSysrqTrigger = "/proc/sysrq-trigger";

void WriteFile(const char* path, std::string_view text) {
  int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!::write(fd, text.data(), text.size());
  ::close(fd);
}

// Never waits: a console that was stopped takes nothing, and the reset must come all the same.
void SayAtOnce(std::string_view text) {
  int fd = ::open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  (void)!::write(fd, text.data(), text.size());
  ::close(fd);
}

int RebootNow() { return ::reboot(RB_AUTOBOOT); }

// Only what is safe in a signal handler. No sync(2): it can wait for a dead disk for ever, and what
// counts was fsynced when it was announced.
void OnFatalSignal(int) {
  SayAtOnce("\nhmem: hmem-init crashed\n\nhmem: rebooting\n");
  ForceReboot(&RebootNow, kCrashGraceSeconds, kSysrqTrigger);
  ::_exit(1);
}

}  // namespace

void ForceReboot(int (*reboot_now)(), unsigned grace_seconds, const char* sysrq_trigger) {
  // Written there it works whatever kernel.sysrq says.
  pid_t pid = ::_Fork();
  if (pid == 0) {
    for (unsigned left = grace_seconds; left > 0;) left = ::sleep(left);
    WriteFile(sysrq_trigger, "b");
    ::_exit(0);
  }
  if (pid > 0) (void)reboot_now();
  WriteFile(sysrq_trigger, "b");
}

void RebootOnFatalSignals() {
  static char stack[32 * 1024];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  ::sigaltstack(&alternate, nullptr);
  struct sigaction action{};
  action.sa_handler = OnFatalSignal;
  action.sa_flags = static_cast<int>(SA_ONSTACK | SA_RESETHAND);
  for (int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
    ::sigaction(number, &action, nullptr);
}

void StartOverseer(uint64_t seconds) {
  pid_t pid = ::fork();
  if (pid != 0) return;
  WriteFile("/proc/self/oom_score_adj", "-1000");
  for (uint64_t left = seconds; left > 0;) left = ::sleep(static_cast<unsigned>(left));
  SayAtOnce("\nhmem: out of time, resetting the machine\n");
  WriteFile(kSysrqTrigger, "b");
  ::_exit(1);
}

void Leave(plan::FinalAction action) {
  if (action == plan::FinalAction::kReboot) StartOverseer(kRebootGraceSeconds);
  switch (action) {
    case plan::FinalAction::kReboot:
      ::reboot(RB_AUTOBOOT);
      break;
    case plan::FinalAction::kPoweroff:
      ::reboot(RB_POWER_OFF);
      break;
    case plan::FinalAction::kHalt:
      ::reboot(RB_HALT_SYSTEM);
      break;
  }
  // reboot(2) came back: it was refused. A power-off that is not possible becomes a halt in the
  // kernel already.
  WriteFile(kSysrqTrigger, "b");
  for (;;) ::pause();
}

}  // namespace hmem::init
