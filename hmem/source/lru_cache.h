// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps the few values that were used last. Not thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

namespace hmem::source {

template <typename Key, typename Value>
class LruCache {
 public:
  explicit LruCache(size_t capacity) : capacity_(capacity) {}

  // nullptr when it is not there. The pointer is good until the next Put().
  const Value* Get(const Key& key) {
    auto it = places_.find(key);
    if (it == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, it->second);
    return &entries_.front().second;
  }

  // Replaces what is there by that key.
  const Value* Put(const Key& key, Value value) {
    if (auto it = places_.find(key); it != places_.end()) {
      entries_.erase(it->second);
      places_.erase(it);
    }
    if (entries_.size() >= capacity_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, std::move(value));
    places_[key] = entries_.begin();
    return &entries_.front().second;
  }

 private:
  using Entries = std::list<std::pair<Key, Value>>;

  size_t capacity_;
  Entries entries_;  // the newest first
  std::unordered_map<Key, typename Entries::iterator> places_;
};

}  // namespace hmem::source
