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

void WriteFile(const char* path, std::string_view text) {
  int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!::write(fd, text.data(), text.size());
  ::close(fd);
}

// Only what is safe in a signal handler.
void OnFatalSignal(int) {
  constexpr std::string_view kText = "\nhmem: hmem-init crashed\n\nhmem: rebooting\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  ::sync();
  ::reboot(RB_AUTOBOOT);
  WriteFile("/proc/sysrq-trigger", "b");
  ::_exit(1);
}

}  // namespace

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
  constexpr std::string_view kText = "\nhmem: out of time, resetting the machine\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  // Written there it works whatever kernel.sysrq says.
  WriteFile("/proc/sysrq-trigger", "b");
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
  WriteFile("/proc/sysrq-trigger", "b");
  for (;;) ::pause();
}

}  // namespace hmem::init
