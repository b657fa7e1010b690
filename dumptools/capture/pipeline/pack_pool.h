// SPDX-License-Identifier: GPL-2.0-or-later
// Workers that pack batches while their owner reads and writes. The queue holds what the owner has
// batches for.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "dumptools/capture/pipeline/page_batch.h"

namespace hmem::capture {

class PackPool {
 public:
  PackPool(unsigned workers, const codec::Codec& codec, int level);
  // Waits for the batches in hand; those not begun are left.
  ~PackPool();
  PackPool(const PackPool&) = delete;
  PackPool& operator=(const PackPool&) = delete;

  // The batch belongs to the pool until Wait() returned for it.
  void Submit(PageBatch& batch);
  Status Wait(PageBatch& batch);

 private:
  void Work();

  const codec::Codec& codec_;
  int level_;
  std::mutex mutex_;
  std::condition_variable submitted_, packed_;
  std::deque<PageBatch*> queue_;
  std::unordered_map<PageBatch*, Status> done_;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace hmem::capture
