// SPDX-License-Identifier: GPL-2.0-or-later
// A kernel log ring in fake memory, filled the way printk_ringbuffer.c fills it: old records make
// room for new ones, and a text that would cross the end of the data ring starts anew at its
// beginning.
//
//   LogRingMaker ring(memory, VirtAddr(0xffff888000100000), {.descriptor_bits = 4, .data_bits =
//   8}); ring.Add("Linux version 6.1").Add("Kernel panic"); Vmcoreinfo::Parse(ring.Vmcoreinfo(),
//   findings);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hmem/base/address.h"
#include "tests/fakes/fake_memory.h"

namespace hmem::makers {

struct LogRingOptions {
  uint32_t descriptor_bits = 4;
  uint32_t data_bits = 8;
};

class LogRingMaker {
 public:
  LogRingMaker(fakes::FakeVirtMemory& memory, VirtAddr at, const LogRingOptions& options);

  // The next record, at most half the data ring long; its sequence number is how many came before,
  // its time 1 ms times that.
  LogRingMaker& Add(std::string_view text, uint8_t level = 6, uint32_t caller_id = 0);
  // A record whose line is empty (NO_LPOS), and one whose text found no room (FAILED_LPOS).
  LogRingMaker& AddEmpty() { return AddWithoutData(3); }
  LogRingMaker& AddWithoutRoom() { return AddWithoutData(1); }

  // enum desc_state of a record: 0 reserved, 1 committed, 2 finalized, 3 reusable.
  void SetState(uint64_t sequence, uint64_t state);

  std::string Vmcoreinfo() const;
  // Where things lie, for spoiling them.
  VirtAddr Descriptor(uint64_t sequence) const;  // unsigned long state_var, begin, next
  VirtAddr Info(uint64_t sequence) const;        // u64 seq, u64 ts_nsec, u16 text_len, ...
  VirtAddr head() const { return at_ + kRing + 16 + 3 * word_; }
  VirtAddr tail() const { return at_ + kRing + 16 + 4 * word_; }
  VirtAddr size_bits() const { return at_ + kRing + 64; }
  VirtAddr data() const { return at_ + kData; }
  uint64_t oldest_sequence() const { return oldest_; }
  // Of the last record added: did it cross the end of the data ring?
  bool wrapped() const { return wrapped_; }

 private:
  static constexpr uint64_t kRing = 64, kDescs = 0x1000, kInfos = 0x10000, kData = 0x40000;

  uint64_t IdOf(uint64_t sequence) const;
  LogRingMaker& AddWithoutData(uint64_t lpos);
  void Store(uint64_t begin, uint64_t next, uint16_t text_bytes, uint8_t level, uint32_t caller_id);
  void PutWord(VirtAddr at, uint64_t value) { memory_.PutWord(at, value); }

  fakes::FakeVirtMemory& memory_;
  VirtAddr at_;
  LogRingOptions options_;
  uint64_t word_, id_mask_, word_mask_;
  uint64_t first_id_;
  uint64_t added_ = 0, oldest_ = 0;
  uint64_t head_lpos_, tail_lpos_;
  bool wrapped_ = false;
};

}  // namespace hmem::makers
