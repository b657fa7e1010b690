// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/worker_thread.h"

#include <fmt/format.h>

#include <cstring>

namespace hmem::capture {

Result<WorkerThread> WorkerThread::Start(std::function<void()> work) {
  auto running = std::make_unique<Running>();
  running->work = std::move(work);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  auto run = [](void* argument) -> void* {
    static_cast<Running*>(argument)->work();
    return nullptr;
  };
  const int error = ::pthread_create(&running->thread, &attributes, run, running.get());
  ::pthread_attr_destroy(&attributes);
  if (error != 0)
    return Fail(ErrorCode::kLimit, fmt::format("no further thread: {}", std::strerror(error)));
  return WorkerThread(std::move(running));
}

WorkerThread::~WorkerThread() {
  if (running_) ::pthread_join(running_->thread, nullptr);
}

}  // namespace hmem::capture
