// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/watchdog.h"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace hmem::init {
namespace {

constexpr int kTimeoutSeconds = 60;

}  // namespace

Watchdog::Watchdog() {
  if (auto fd = OpenFile("/dev/watchdog", O_WRONLY)) fd_ = *std::move(fd);
  int seconds = kTimeoutSeconds;
  if (fd_.valid()) (void)::ioctl(fd_.get(), WDIOC_SETTIMEOUT, &seconds);
}

void Watchdog::Feed() {
  if (fd_.valid()) (void)::ioctl(fd_.get(), WDIOC_KEEPALIVE, 0);
}

void Watchdog::Disarm() {
  // 'V' is the magic close: a driver that honours it stops the timer.
  if (fd_.valid()) (void)!::write(fd_.get(), "V", 1);
  fd_.Reset();
}

}  // namespace hmem::init
