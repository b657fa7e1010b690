// SPDX-License-Identifier: GPL-2.0-or-later
// A thread whose start may fail and whose stack is small.
#pragma once

#include <pthread.h>

#include <functional>
#include <memory>

#include "hmem/base/result.h"

namespace hmem::capture {

// Move-only; waits for its thread when it goes.
class WorkerThread {
 public:
  // Of address space, which RLIMIT_DATA counts; packers have their work memory elsewhere.
  static constexpr size_t kStackBytes = 512 << 10;

  // kLimit: no memory or no leave for another thread; never throws. `work` must not throw.
  static Result<WorkerThread> Start(std::function<void()> work);

  WorkerThread(WorkerThread&&) noexcept = default;
  WorkerThread& operator=(WorkerThread&&) = delete;
  ~WorkerThread();

 private:
  struct Running {
    pthread_t thread{};
    std::function<void()> work;
  };
  explicit WorkerThread(std::unique_ptr<Running> running) : running_(std::move(running)) {}

  std::unique_ptr<Running> running_;
};

}  // namespace hmem::capture
