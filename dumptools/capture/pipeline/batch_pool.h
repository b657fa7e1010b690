// SPDX-License-Identifier: GPL-2.0-or-later
// Workers that read and pack batches while their owner plans and writes. They sleep when there is
// nothing to do. The queue holds what the owner has batches for.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "dumptools/capture/pipeline/page_batch.h"
#include "hmem/base/result.h"

namespace hmem::capture {

class BatchPool {
 public:
  using Job = std::function<Status(PageBatch&)>;

  BatchPool(unsigned workers, Job job);
  // Waits for the batches in hand; those not begun are left.
  ~BatchPool();
  BatchPool(const BatchPool&) = delete;
  BatchPool& operator=(const BatchPool&) = delete;

  // The batch belongs to the pool until Wait() returned for it.
  void Submit(PageBatch& batch);
  // Returns what the job said.
  Status Wait(PageBatch& batch);

 private:
  void Work();

  Job job_;
  std::mutex mutex_;
  std::condition_variable submitted_, finished_;
  std::deque<PageBatch*> queue_;
  std::unordered_map<PageBatch*, Status> done_;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace hmem::capture
