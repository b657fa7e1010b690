// SPDX-License-Identifier: GPL-2.0-or-later
// A crashed kernel that several want to walk: opened for the first of them, since that costs more
// than most walks.
#pragma once

#include <memory>
#include <optional>

#include "dumptools/walk/kernel.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem::walk {

// Not thread-safe, as the kernel is not.
class LazyKernel {
 public:
  // `source` must outlive it.
  explicit LazyKernel(const source::MemorySource& source) : source_(source) {}

  // What Kernel::Open said when it was first asked for. `options` are what is needed at the least.
  const Result<std::unique_ptr<Kernel>>& Get(const OpenOptions& options = {}) {
    if (!kernel_ || (options.modules && !options_.modules)) {
      kernel_.reset();
      kernel_.emplace(Kernel::Open(source_, options));
      options_ = options;
    }
    return *kernel_;
  }
  // Gives its memory back.
  void Close() { kernel_.reset(); }

 private:
  const source::MemorySource& source_;
  OpenOptions options_;
  std::optional<Result<std::unique_ptr<Kernel>>> kernel_;
};

}  // namespace hmem::walk
