// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/pack_pool.h"

namespace hmem::capture {

PackPool::PackPool(unsigned workers, const codec::Codec& codec, int level)
    : codec_(codec), level_(level) {
  for (unsigned i = 0; i < workers; ++i) workers_.emplace_back([this] { Work(); });
}

PackPool::~PackPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  submitted_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void PackPool::Submit(PageBatch& batch) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(&batch);
  }
  submitted_.notify_one();
}

Status PackPool::Wait(PageBatch& batch) {
  std::unique_lock lock(mutex_);
  packed_.wait(lock, [&] { return done_.contains(&batch); });
  Status status = std::move(done_.at(&batch));
  done_.erase(&batch);
  return status;
}

void PackPool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    submitted_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    PageBatch* batch = queue_.front();
    queue_.pop_front();
    lock.unlock();
    Status status = batch->Pack(codec_, level_);
    lock.lock();
    done_.insert_or_assign(batch, std::move(status));
    packed_.notify_all();
  }
}

}  // namespace hmem::capture
