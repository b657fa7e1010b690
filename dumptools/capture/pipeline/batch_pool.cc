// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/batch_pool.h"

namespace hmem::capture {

BatchPool::BatchPool(unsigned workers, Job job) : job_(std::move(job)) {
  for (unsigned i = 0; i < workers; ++i) workers_.emplace_back([this] { Work(); });
}

BatchPool::~BatchPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  submitted_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void BatchPool::Submit(PageBatch& batch) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(&batch);
  }
  submitted_.notify_one();
}

Status BatchPool::Wait(PageBatch& batch) {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return done_.contains(&batch); });
  Status status = std::move(done_.at(&batch));
  done_.erase(&batch);
  return status;
}

void BatchPool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    submitted_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    PageBatch* batch = queue_.front();
    queue_.pop_front();
    lock.unlock();
    Status status = job_(*batch);
    lock.lock();
    done_.insert_or_assign(batch, std::move(status));
    finished_.notify_all();
  }
}

}  // namespace hmem::capture
