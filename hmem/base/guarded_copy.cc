// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/base/guarded_copy.h"

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace hmem {
namespace {

// The copy that this thread is in.
struct Guard {
  sigjmp_buf escape;
  volatile uintptr_t fault = 0;
};
thread_local Guard* volatile active = nullptr;

void OnBusError(int number, siginfo_t* info, void*) {
  // BUS_MCEERR_AO tells of an error that nobody ran into; kill(2) has a code of 0 and below.
  if (Guard* guard = active;
      guard != nullptr && info->si_code > 0 && info->si_code != BUS_MCEERR_AO) {
    guard->fault = reinterpret_cast<uintptr_t>(info->si_addr);
    ::siglongjmp(guard->escape, 1);
  }
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void InstallOnce() {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = OnBusError;
    // SA_NODEFER: the jump out of the handler leaves no signal blocked, so that a copy need not
    // save the mask.
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    return ::sigaction(SIGBUS, &action, nullptr) == 0;
  }();
  (void)installed;
}

}  // namespace

std::optional<size_t> GuardedCopy(std::span<std::byte> to, std::span<const std::byte> from) {
  if (from.empty()) return std::nullopt;
  InstallOnce();
  Guard guard;
  if (sigsetjmp(guard.escape, 0) != 0) {
    active = nullptr;
    // A memory error is reported for its page, which may begin before the copy did.
    const auto start = reinterpret_cast<uintptr_t>(from.data());
    const uintptr_t fault = guard.fault;
    if (fault <= start) return 0;
    return fault - start < from.size() ? fault - start : from.size() - 1;
  }
  active = &guard;
  std::memcpy(to.data(), from.data(), from.size());
  active = nullptr;
  return std::nullopt;
}

}  // namespace hmem
