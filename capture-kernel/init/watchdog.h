// SPDX-License-Identifier: GPL-2.0-or-later
// A hardware watchdog, if the machine has one: it resets the machine when not even PID 1 runs any
// more.
#pragma once

#include <cstdint>

#include "hmem/base/fd.h"

namespace hmem::init {

class Watchdog {
 public:
  // Starts /dev/watchdog with a timeout of a minute, or what the driver makes of it. Does nothing
  // when there is none.
  Watchdog();

  bool present() const { return fd_.valid(); }
  void Feed();
  // For a machine that is to stay halted. On a reboot it stays armed, in case the reboot hangs.
  void Disarm();

 private:
  UniqueFd fd_;
};

}  // namespace hmem::init
