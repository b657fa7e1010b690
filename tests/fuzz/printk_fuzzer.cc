// SPDX-License-Identifier: GPL-2.0-or-later
// A log ring anywhere in memory that is all input: the pointer `prb` is its first word. Layout as
// in 6.1 on x86_64.
#include <cstdlib>
#include <span>

#include "dumptools/walk/printk.h"
#include "tests/fuzz/wrapping_memory.h"

namespace {

constexpr char kVmcoreinfo[] =
    "SYMBOL(prb)=ffff888000000000\n"
    "OFFSET(printk_ringbuffer.desc_ring)=0\nOFFSET(printk_ringbuffer.text_data_ring)=48\n"
    "OFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)=8\n"
    "OFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\n"
    "OFFSET(prb_desc_ring.tail_id)=32\nSIZE(prb_desc)=24\nOFFSET(prb_desc.state_var)=0\n"
    "OFFSET(prb_desc.text_blk_lpos)=8\nOFFSET(prb_data_blk_lpos.begin)=0\n"
    "OFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)=88\nOFFSET(printk_info.seq)=0\n"
    "OFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n"
    "OFFSET(printk_info.caller_id)=20\nOFFSET(prb_data_ring.size_bits)=0\n"
    "OFFSET(prb_data_ring.data)=8\nOFFSET(atomic_long_t.counter)=0\n";

constexpr uint64_t kMostRecords = 1 << 10;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hmem;
  fuzz::WrappingMemory memory(std::span(data, size));
  // Rings of 2^31 records are legal; they only take long.
  Result<VirtAddr> ring = memory.Pointer(fuzz::WrappingMemory::kBase);
  if (!ring) return 0;
  Result<uint32_t> count_bits = memory.U32(*ring);
  if (!count_bits || (*count_bits <= 31 && uint64_t{1} << *count_bits > kMostRecords)) return 0;
  Findings findings;
  auto vmcoreinfo = space::Vmcoreinfo::Parse(kVmcoreinfo, findings);
  Result<std::vector<walk::LogRecord>> log = walk::ReadLog(memory, vmcoreinfo, findings);
  if (log && log->size() > kMostRecords) std::abort();
  return 0;
}
