// SPDX-License-Identifier: GPL-2.0-or-later
// Workers that read and pack batches while their owner plans and writes. They sleep when there is
// nothing to do. The queue holds what the owner has batches for.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "dumptools/capture/pipeline/page_batch.h"
#include "dumptools/capture/pipeline/worker_thread.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class BatchPool {
 public:
  using Job = std::function<Status(PageBatch&)>;

  // Starts at most `most_workers`: as many as there is memory for. Each begins with `prepare`, and
  // one for which that fails is none; it returns when all have.
  BatchPool(unsigned most_workers, const std::function<Status()>& prepare, Job job);
  // Waits for the batches in hand; those not begun are left.
  ~BatchPool();
  BatchPool(const BatchPool&) = delete;
  BatchPool& operator=(const BatchPool&) = delete;

  // 0: nothing may be submitted.
  unsigned workers() const { return ready_; }

  // The batch belongs to the pool until Wait() returned for it.
  void Submit(PageBatch& batch);
  // Returns what the job said.
  Status Wait(PageBatch& batch);

 private:
  // `prepare` is gone when the constructor returns.
  void Work(const std::function<Status()>& prepare);

  Job job_;
  std::mutex mutex_;
  std::condition_variable submitted_, finished_;
  std::deque<PageBatch*> queue_;
  std::unordered_map<PageBatch*, Status> done_;
  unsigned prepared_ = 0, ready_ = 0;  // workers that tried to, that did
  bool stop_ = false;
  std::vector<WorkerThread> workers_;
};

}  // namespace hmem::capture
