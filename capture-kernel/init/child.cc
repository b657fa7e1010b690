// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "capture-kernel/init/clock.h"
#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr uint64_t kTickMs = 250;
// How long a killed child may take to go away.
constexpr uint64_t kKillGraceMs = 5000;
constexpr int kExitNotStarted = 127;
constexpr int kExitAnswered = 0;
constexpr int kExitError = 1;
constexpr size_t kMaxAnswerBytes = 4000;

void ReapOrphans() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// In the child, before it becomes what it is to be; only system calls from here on.
void LowerMyself(const ChildLimits& limits) {
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGPIPE}) ::signal(number, SIG_DFL);
  rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  if (limits.data_bytes != 0) {
    rlimit data{limits.data_bytes, limits.data_bytes};
    ::setrlimit(RLIMIT_DATA, &data);
  }
  int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {
    (void)!::write(fd, "1000", 4);
    ::close(fd);
  }
}

// Waits until the process is gone or `until_ms` is reached. True when it is gone (a zombie, not
// reaped).
bool WaitGone(int pidfd, uint64_t until_ms, const std::function<void()>& tick) {
  for (;;) {
    uint64_t now = UptimeMs();
    uint64_t left = until_ms > now ? until_ms - now : 0;
    pollfd poll_fd{pidfd, POLLIN, 0};
    if (::poll(&poll_fd, 1, static_cast<int>(std::min(left, kTickMs))) > 0) return true;
    tick();
    if (left == 0) return false;
  }
}

ChildResult Supervise(pid_t pid, uint64_t started_ms, uint64_t deadline_ms,
                      const std::function<void()>& tick) {
  ChildResult result;
  result.deadline_ms = deadline_ms;
  ::setpgid(pid, pid);
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  bool in_time = pidfd.valid() && WaitGone(pidfd.get(), started_ms + deadline_ms, tick);
  bool gone = in_time;
  if (!in_time) {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
    gone = pidfd.valid() && WaitGone(pidfd.get(), UptimeMs() + kKillGraceMs, tick);
  }
  result.took_ms = UptimeMs() - started_ms;
  if (!gone) {
    result.end = ChildResult::End::kStuck;
    return result;
  }
  int status = 0;
  rusage usage{};
  while (::wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  result.peak_kib = static_cast<uint64_t>(usage.ru_maxrss);
  // Its own children, if any, must not go on behind our back.
  ::kill(-pid, SIGKILL);
  ReapOrphans();
  if (!in_time) {
    result.end = ChildResult::End::kDeadline;
  } else if (WIFSIGNALED(status)) {
    result.end = ChildResult::End::kSignalled;
    result.code = WTERMSIG(status);
  } else {
    result.end = ChildResult::End::kExited;
    result.code = WEXITSTATUS(status);
  }
  return result;
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::string ChildResult::Describe() const {
  switch (end) {
    case End::kExited:
      return fmt::format("exit status {}", code);
    case End::kSignalled: {
      const char* name = sigdescr_np(code);
      return fmt::format("killed by signal {} ({})", code, name != nullptr ? name : "unknown");
    }
    case End::kDeadline:
      return fmt::format("killed by signal 9 (deadline {} s)", (deadline_ms + 999) / 1000);
    case End::kStuck:
      return fmt::format("does not end (deadline {} s, signal 9 sent)", (deadline_ms + 999) / 1000);
    case End::kNotStarted: {
      const char* text = strerrordesc_np(code);
      return fmt::format("not started: {}", text != nullptr ? text : "unknown error");
    }
  }
  return "";
}

ChildResult RunChild(const ChildCommand& command, const ChildLimits& limits,
                     const std::function<void()>& tick) {
  auto argv = Pointers(command.argv);
  auto environment = Pointers(command.environment);
  ChildResult not_started;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    not_started.code = errno;
    return not_started;
  }
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  uint64_t started_ms = UptimeMs();
  pid_t pid = ::fork();
  if (pid < 0) {
    not_started.code = errno;
    return not_started;
  }
  if (pid == 0) {
    LowerMyself(limits);
    ::execve(argv[0], argv.data(), environment.data());
    int error = errno;
    (void)!::write(writer.get(), &error, sizeof error);
    ::_exit(kExitNotStarted);
  }
  writer.Reset();
  ChildResult result = Supervise(pid, started_ms, limits.deadline_ms, tick);
  int error = 0;
  // The pipe holds an errno only when execve failed; a child that is stuck has it closed by exec as
  // well.
  if (result.exited_with(kExitNotStarted) &&
      ::read(reader.get(), &error, sizeof error) == static_cast<ssize_t>(sizeof error)) {
    result.end = ChildResult::End::kNotStarted;
    result.code = error;
  }
  return result;
}

Result<std::string> AskChild(const std::function<Result<std::string>()>& function,
                             uint64_t deadline_ms, const std::function<void()>& tick) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return FailErrno("pipe", errno);
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  uint64_t started_ms = UptimeMs();
  pid_t pid = ::fork();
  if (pid < 0) return FailErrno("fork", errno);
  if (pid == 0) {
    LowerMyself({});
    Result<std::string> answer = function();
    std::string text = answer ? *answer : answer.error().ToString();
    // Fits into an empty pipe: the write does not wait for a reader.
    (void)!::write(writer.get(), text.data(), std::min(text.size(), kMaxAnswerBytes));
    ::_exit(answer ? kExitAnswered : kExitError);
  }
  writer.Reset();
  ChildResult result = Supervise(pid, started_ms, deadline_ms, tick);
  // A child that does not end holds the other end open: its pipe is not read.
  bool answered = result.exited_with(kExitAnswered);
  if (!answered && !result.exited_with(kExitError)) return Fail(ErrorCode::kIo, result.Describe());
  std::string text(kMaxAnswerBytes, '\0');
  ssize_t got = ::read(reader.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (!answered) return Fail(ErrorCode::kIo, text);
  return text;
}

}  // namespace hmem::init
