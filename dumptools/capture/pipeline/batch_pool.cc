// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/batch_pool.h"

namespace hmem::capture {

BatchPool::BatchPool(unsigned most_workers, const std::function<Status()>& prepare, Job job)
    : job_(std::move(job)) {
  workers_.reserve(most_workers);
  while (workers_.size() < most_workers) {
    auto worker = WorkerThread::Start([this, &prepare] { Work(prepare); });
    if (!worker) break;
    workers_.push_back(*std::move(worker));
  }
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return prepared_ == workers_.size(); });
}

BatchPool::~BatchPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  submitted_.notify_all();
  workers_.clear();  // waits for them
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

void BatchPool::Work(const std::function<Status()>& prepare) {
  const bool ready = prepare().has_value();
  std::unique_lock lock(mutex_);
  ++prepared_;
  if (ready) ++ready_;
  finished_.notify_all();
  if (!ready) return;
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
