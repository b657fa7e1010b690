// SPDX-License-Identifier: GPL-2.0-or-later
// hmem-init: PID 1 of the capture kernel. See hmem-init(8).
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "capture-kernel/init/capture_run.h"
#include "capture-kernel/init/console.h"
#include "capture-kernel/init/ending.h"

namespace {

constexpr int kExitComplete = 0;
constexpr int kExitUsage = 2;

// Someone looks at the program on a running system; PID 1 gets what the kernel does not know of its
// command line as arguments and must not mind.
int AnswerUser(int argc, char** argv) {
  std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "--version") {
    fmt::print("hmem-init {}\n", HMEM_VERSION);
    return kExitComplete;
  }
  if (word == "--help") {
    fmt::print(
        "hmem-init is PID 1 of the capture kernel; kdump-arm(8) puts it there. --help and "
        "--version are all it knows.\n");
    return kExitComplete;
  }
  fmt::print(stderr, "hmem-init: runs as PID 1 of a capture kernel only. Try hmem-init --help.\n");
  return kExitUsage;
}

// The kernel opens /dev/console as 0, 1 and 2 where it can.
void EnsureStandardStreams() {
  if (::fcntl(STDERR_FILENO, F_GETFD) >= 0) return;
  int fd = ::open("/dev/console", O_RDWR | O_NOCTTY);
  if (fd < 0) fd = ::open("/dev/null", O_RDWR);
  for (int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fd >= 0 && fd != number) ::dup2(fd, number);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (::getpid() != 1) return AnswerUser(argc, argv);
  EnsureStandardStreams();
  hmem::init::RebootOnFatalSignals();
  hmem::init::Console console = hmem::init::Console::Open();
  hmem::init::CaptureRun run(&console);
  hmem::plan::FinalAction action = run.Run();
  // The word the end-to-end tests and people wait for, whatever the action.
  console.Say(action == hmem::plan::FinalAction::kReboot ? "rebooting"
                                                         : hmem::plan::FinalActionName(action));
  hmem::init::Leave(action);
}
