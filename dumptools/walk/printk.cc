// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/walk/printk.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

namespace hmem::walk {
namespace {

constexpr uint64_t kMaxRingBits = 31;  // LOG_BUF_LEN_MAX is 2 GiB

// enum desc_state. Committed records are whole; finalized ones can no longer grow. Both are shown.
enum DescriptorState : uint64_t { kReserved = 0, kCommitted = 1, kFinalized = 2, kReusable = 3 };

// prb_data_blk_lpos of records without data; bit 0 marks both.
constexpr uint64_t kNoLpos =
    3;  // an empty line; FAILED_LPOS (1) is a record whose text found no room

struct Layout {
  uint64_t ring_descs, ring_infos, ring_count_bits, ring_head, ring_tail;
  uint64_t desc_size, desc_state, desc_begin, desc_next;
  uint64_t info_size, info_seq, info_ts, info_text_len, info_caller;
  uint64_t data_bits, data_pointer;
  uint64_t counter;  // atomic_long_t
};

Result<uint64_t> Need(const space::Vmcoreinfo& info, std::string_view kind, std::string_view name) {
  std::string key = fmt::format("{}({})", kind, name);
  std::optional<uint64_t> value = info.Number(key);
  if (!value) return Fail(ErrorCode::kNotFound, fmt::format("VMCOREINFO has no {}", key));
  if (*value > 1 << 20) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("VMCOREINFO: {}={} is no size or offset", key, *value));
  }
  return *value;
}

Result<Layout> ReadLayout(const space::Vmcoreinfo& info) {
  Layout l{};
  HMEM_ASSIGN(uint64_t ring, Need(info, "OFFSET", "printk_ringbuffer.desc_ring"));
  HMEM_ASSIGN(l.ring_count_bits, Need(info, "OFFSET", "prb_desc_ring.count_bits"));
  HMEM_ASSIGN(l.ring_descs, Need(info, "OFFSET", "prb_desc_ring.descs"));
  HMEM_ASSIGN(l.ring_infos, Need(info, "OFFSET", "prb_desc_ring.infos"));
  HMEM_ASSIGN(l.ring_head, Need(info, "OFFSET", "prb_desc_ring.head_id"));
  HMEM_ASSIGN(l.ring_tail, Need(info, "OFFSET", "prb_desc_ring.tail_id"));
  l.ring_count_bits += ring;
  l.ring_descs += ring;
  l.ring_infos += ring;
  l.ring_head += ring;
  l.ring_tail += ring;
  HMEM_ASSIGN(l.desc_size, Need(info, "SIZE", "prb_desc"));
  HMEM_ASSIGN(l.desc_state, Need(info, "OFFSET", "prb_desc.state_var"));
  HMEM_ASSIGN(uint64_t lpos, Need(info, "OFFSET", "prb_desc.text_blk_lpos"));
  HMEM_ASSIGN(l.desc_begin, Need(info, "OFFSET", "prb_data_blk_lpos.begin"));
  HMEM_ASSIGN(l.desc_next, Need(info, "OFFSET", "prb_data_blk_lpos.next"));
  l.desc_begin += lpos;
  l.desc_next += lpos;
  HMEM_ASSIGN(l.info_size, Need(info, "SIZE", "printk_info"));
  HMEM_ASSIGN(l.info_seq, Need(info, "OFFSET", "printk_info.seq"));
  HMEM_ASSIGN(l.info_ts, Need(info, "OFFSET", "printk_info.ts_nsec"));
  HMEM_ASSIGN(l.info_text_len, Need(info, "OFFSET", "printk_info.text_len"));
  HMEM_ASSIGN(l.info_caller, Need(info, "OFFSET", "printk_info.caller_id"));
  HMEM_ASSIGN(uint64_t data, Need(info, "OFFSET", "printk_ringbuffer.text_data_ring"));
  HMEM_ASSIGN(l.data_bits, Need(info, "OFFSET", "prb_data_ring.size_bits"));
  HMEM_ASSIGN(l.data_pointer, Need(info, "OFFSET", "prb_data_ring.data"));
  l.data_bits += data;
  l.data_pointer += data;
  HMEM_ASSIGN(l.counter, Need(info, "OFFSET", "atomic_long_t.counter"));
  return l;
}

class Ring {
 public:
  static Result<Ring> Open(const VirtReader& memory, const Layout& layout, VirtAddr ring) {
    Ring r(memory, layout);
    HMEM_ASSIGN(uint32_t count_bits, memory.U32(ring + layout.ring_count_bits));
    HMEM_ASSIGN(uint32_t size_bits, memory.U32(ring + layout.data_bits));
    HMEM_ASSIGN(r.descs_, memory.Pointer(ring + layout.ring_descs));
    HMEM_ASSIGN(r.infos_, memory.Pointer(ring + layout.ring_infos));
    HMEM_ASSIGN(r.data_, memory.Pointer(ring + layout.data_pointer));
    if (count_bits == 0 || count_bits > kMaxRingBits || size_bits < 3 || size_bits > kMaxRingBits) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("virt {:#x}: ring of 2^{} records and 2^{} bytes", ring.value,
                              count_bits, size_bits));
    }
    r.count_ = uint64_t{1} << count_bits;
    r.data_bits_ = size_bits;
    r.data_bytes_ = uint64_t{1} << size_bits;
    HMEM_ASSIGN(r.head_, memory.Word(ring + layout.ring_head + layout.counter));
    HMEM_ASSIGN(r.tail_, memory.Word(ring + layout.ring_tail + layout.counter));
    r.head_ &= r.id_mask_;
    r.tail_ &= r.id_mask_;
    return r;
  }

  std::vector<VirtRange> Memory() const {
    return {{descs_, descs_ + count_ * layout_.desc_size},
            {infos_, infos_ + count_ * layout_.info_size},
            {data_, data_ + data_bytes_}};
  }

  std::vector<LogRecord> Read(const LogLimits& limits, Findings& findings) {
    const uint64_t span = ((head_ - tail_) & id_mask_) + 1;
    if (span <= count_) {
      return ReadBack(
          span, [&](uint64_t back) { return (head_ - back) & id_mask_; }, limits, findings);
    }
    // Head or tail is damaged: every descriptor is looked at, and the sequence numbers give the
    // order.
    findings.Add(
        Severity::kLoss, "walk.printk.bad-head",
        fmt::format("head {:#x}, tail {:#x}", head_, tail_),
        "head and tail of the log ring contradict its size; all descriptors are read instead");
    const std::vector<uint64_t> ids = IdsNewestFirst(limits.max_records, findings);
    return ReadBack(ids.size(), [&](uint64_t back) { return ids[back]; }, limits, findings);
  }

 private:
  Ring(const VirtReader& memory, const Layout& layout)
      : memory_(&memory),
        layout_(layout),
        word_(static_cast<uint64_t>(memory.word_bytes())),
        word_mask_(word_ == 8 ? ~uint64_t{0} : 0xffffffff),
        state_shift_(word_ * 8 - 2),
        id_mask_((uint64_t{1} << state_shift_) - 1) {}

  // Records id_at(0), id_at(1) ... in reverse, where 0 is the newest: what a limit leaves out is
  // old.
  template <typename IdAt>
  std::vector<LogRecord> ReadBack(uint64_t count, IdAt id_at, const LogLimits& limits,
                                  Findings& findings) {
    std::vector<LogRecord> records;
    uint64_t back = 0;
    for (; back < count && back < limits.max_records && text_bytes_ < limits.max_text_bytes;
         ++back) {
      ReadOne(id_at(back), records, findings);
    }
    if (back < count) {
      findings.Add(Severity::kLoss, "walk.printk.too-many",
                   fmt::format("{} of {} records, {} bytes", back, count, text_bytes_),
                   "the log is longer than what is read of it; the oldest records are not shown");
    }
    std::ranges::reverse(records);
    return records;
  }

  // What the descriptors say themselves, for at most max_records of them.
  std::vector<uint64_t> IdsNewestFirst(uint64_t max_records, Findings& findings) const {
    std::vector<std::pair<uint64_t, uint64_t>> by_sequence;  // sequence, id
    for (uint64_t index = 0; index < std::min(count_, max_records); ++index) {
      Result<uint64_t> state =
          memory_->Word(Descriptor(index) + layout_.desc_state + layout_.counter);
      if (!state) {
        Lost(fmt::format("slot {:#x}", index), state.error(), findings);
        continue;
      }
      if (*state == 0) continue;  // never used
      const uint64_t id = *state & id_mask_;
      if ((id & (count_ - 1)) != index) {
        Corrupt(fmt::format("slot {:#x}: id {:#x} has another slot", index, id), findings);
        continue;
      }
      Result<uint64_t> sequence =
          memory_->U64(infos_ + index * layout_.info_size + layout_.info_seq);
      by_sequence.emplace_back(sequence.value_or(0), id);
    }
    if (count_ > max_records) {
      findings.Add(Severity::kLoss, "walk.printk.too-many",
                   fmt::format("{} of {} descriptors", max_records, count_),
                   "the log is longer than what is read of it; some records are not shown");
    }
    std::ranges::sort(by_sequence, std::ranges::greater());
    std::vector<uint64_t> ids;
    ids.reserve(by_sequence.size());
    for (const auto& [sequence, id] : by_sequence) ids.push_back(id);
    return ids;
  }

  static void Lost(std::string_view place, const Error& error, Findings& findings) {
    findings.Add(Severity::kLoss, "walk.printk.unreadable",
                 fmt::format("{}: {}", place, error.ToString()),
                 "a log record cannot be read and is skipped");
  }
  static void Corrupt(std::string_view place, Findings& findings) {
    findings.Add(Severity::kLoss, "walk.printk.corrupt", place,
                 "a log record contradicts its ring and is skipped");
  }

  VirtAddr Descriptor(uint64_t index) const { return descs_ + index * layout_.desc_size; }

  void ReadOne(uint64_t id, std::vector<LogRecord>& records, Findings& findings) {
    uint64_t index = id & (count_ - 1);
    std::string place = fmt::format("id {:#x}", id);
    Result<uint64_t> state_var =
        memory_->Word(Descriptor(index) + layout_.desc_state + layout_.counter);
    if (!state_var) return Lost(place, state_var.error(), findings);
    uint64_t state = *state_var >> state_shift_;
    if ((*state_var & id_mask_) != id || state == kReserved) {
      findings.Add(Severity::kInfo, "walk.printk.half-written", place,
                   "a log record was being written when the machine stopped and is skipped");
      return;
    }
    if (state == kReusable) return;  // given up to make room: nothing lost now

    Result<LogRecord> record = ReadRecord(index, id);
    if (!record) {
      if (record.error().code() == ErrorCode::kCorrupt) {
        return Corrupt(fmt::format("{}: {}", place, record.error().ToString()), findings);
      }
      return Lost(place, record.error(), findings);
    }
    text_bytes_ += record->text.size();
    records.push_back(*std::move(record));
  }

  Result<LogRecord> ReadRecord(uint64_t index, uint64_t id) const {
    VirtAddr info = infos_ + index * layout_.info_size;
    LogRecord record;
    HMEM_ASSIGN(record.sequence, memory_->U64(info + layout_.info_seq));
    HMEM_ASSIGN(record.time_ns, memory_->U64(info + layout_.info_ts));
    HMEM_ASSIGN(uint16_t text_len, memory_->U16(info + layout_.info_text_len));
    HMEM_ASSIGN(record.caller_id, memory_->U32(info + layout_.info_caller));
    // u8 facility; u8 flags:5, level:3; right behind text_len.
    HMEM_ASSIGN(record.facility, memory_->U8(info + layout_.info_text_len + 2));
    HMEM_ASSIGN(uint8_t bits, memory_->U8(info + layout_.info_text_len + 3));
    record.level = memory_->endian() == Endian::kLittle ? bits >> 5 : bits & 7;

    HMEM_ASSIGN(uint64_t begin, memory_->Word(Descriptor(index) + layout_.desc_begin));
    HMEM_ASSIGN(uint64_t next, memory_->Word(Descriptor(index) + layout_.desc_next));
    if ((begin & 1) && (next & 1)) {
      if (begin == kNoLpos && next == kNoLpos) return record;  // an empty line
      return Fail(ErrorCode::kCorrupt, "the kernel had no room for its text");
    }
    HMEM_ASSIGN(Block block, FindBlock(begin, next));
    HMEM_ASSIGN(uint64_t block_id, memory_->Word(data_ + (begin & (data_bytes_ - 1))));
    if ((block_id & id_mask_) != id) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("its text block belongs to id {:#x}", block_id & id_mask_));
    }
    record.text.resize(std::min<uint64_t>(text_len, block.bytes));
    HMEM_TRY(memory_->Read(data_ + block.offset, std::as_writable_bytes(std::span(record.text))));
    return record;
  }

  struct Block {
    uint64_t offset;  // of the text in the data ring
    uint64_t bytes;
  };

  // The block's first word is its id; the text follows. A block that would cross the end of the
  // ring has its text at the start of the ring, behind a second copy of the id (data_alloc,
  // get_data).
  Result<Block> FindBlock(uint64_t begin, uint64_t next) const {
    auto bad = [&] {
      return Fail(ErrorCode::kCorrupt, fmt::format("text block {:#x}..{:#x}", begin, next));
    };
    if (begin % word_ != 0 || next % word_ != 0) return bad();
    uint64_t at = begin & (data_bytes_ - 1), bytes = 0;
    uint64_t begin_wrap = begin >> data_bits_, next_wrap = next >> data_bits_;
    uint64_t wraps = (next_wrap - begin_wrap) & (word_mask_ >> data_bits_);
    if (wraps == 0 && begin < next) {
      bytes = next - begin;
    } else if (wraps == 1 && (next & (data_bytes_ - 1)) == 0) {
      bytes = data_bytes_ - at;  // ends exactly at the end of the ring (6.18 on)
    } else if (wraps == 1) {
      at = 0;
      bytes = next & (data_bytes_ - 1);
    }
    if (bytes < word_) return bad();
    return Block{.offset = at + word_, .bytes = bytes - word_};
  }

  const VirtReader* memory_;
  Layout layout_;
  uint64_t word_, word_mask_, state_shift_, id_mask_;
  VirtAddr descs_, infos_, data_;
  uint64_t count_ = 0, data_bits_ = 0, data_bytes_ = 0;
  uint64_t head_ = 0, tail_ = 0;
  uint64_t text_bytes_ = 0;
};

Result<Ring> OpenRing(const VirtReader& memory, const space::Vmcoreinfo& vmcoreinfo) {
  std::optional<VirtAddr> prb = vmcoreinfo.Symbol("prb");
  if (!prb)
    return Fail(ErrorCode::kNotFound, "log: VMCOREINFO has no SYMBOL(prb) (kernel before 5.10)");
  HMEM_ASSIGN(Layout layout, Within("log", ReadLayout(vmcoreinfo)));
  HMEM_ASSIGN(VirtAddr pointer, Within("log: prb", memory.Pointer(*prb)));
  return Within("log: printk_ringbuffer", Ring::Open(memory, layout, pointer));
}

}  // namespace

Result<std::vector<LogRecord>> ReadLog(const VirtReader& memory,
                                       const space::Vmcoreinfo& vmcoreinfo, Findings& findings,
                                       const LogLimits& limits) {
  HMEM_ASSIGN(Ring ring, OpenRing(memory, vmcoreinfo));
  return ring.Read(limits, findings);
}

Result<std::vector<VirtRange>> LogMemory(const VirtReader& memory,
                                         const space::Vmcoreinfo& vmcoreinfo) {
  HMEM_ASSIGN(Ring ring, OpenRing(memory, vmcoreinfo));
  return ring.Memory();
}

}  // namespace hmem::walk
