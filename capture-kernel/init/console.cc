// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/console.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace hmem::init {

Console Console::Open() {
  auto fd = OpenFile("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK);
  return Console(fd ? *std::move(fd) : UniqueFd(::dup(STDERR_FILENO)));
}

void Console::Say(std::string_view text) {
  if (log_.size() + text.size() < kMaxLogBytes) log_.append(text).append("\n");
  std::string line = fmt::format("\nhmem: {}\n", text);
  for (std::string_view rest = line; !rest.empty();) {
    ssize_t written = ::write(fd_.get(), rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<size_t>(written));
      stopped_ = false;
      continue;
    }
    if (written < 0 && errno == EINTR) continue;
    // There is no one to tell when the console does not take it.
    if (written == 0 || errno != EAGAIN || stopped_) return;
    pollfd poll_fd{fd_.get(), POLLOUT, 0};
    if (::poll(&poll_fd, 1, kMaxWaitMs) <= 0) stopped_ = true;
  }
}

}  // namespace hmem::init
