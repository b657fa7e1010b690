// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/log_ring_maker.h"

#include <fmt/format.h>

namespace hmem::makers {
namespace {

constexpr uint64_t kDescBytes(uint64_t word) { return 3 * word; }
constexpr uint64_t kInfoBytes = 88;

}  // namespace

LogRingMaker::LogRingMaker(fakes::FakeVirtMemory& memory, VirtAddr at,
                           const LogRingOptions& options)
    : memory_(memory),
      at_(at),
      options_(options),
      word_(static_cast<uint64_t>(memory.word_bytes())),
      id_mask_((uint64_t{1} << (word_ * 8 - 2)) - 1),
      word_mask_(word_ == 8 ? ~uint64_t{0} : 0xffffffff) {
  const uint64_t count = uint64_t{1} << options_.descriptor_bits;
  // As the kernel starts: the first position is just before the counters wrap.
  first_id_ = (uint64_t{0} - count) & id_mask_;
  head_lpos_ = tail_lpos_ = (uint64_t{0} - (uint64_t{1} << options_.data_bits)) & word_mask_;
  PutWord(at_, at_.value + kRing);
  memory_.PutU32(at_ + kRing + 16, options_.descriptor_bits);
  PutWord(at_ + kRing + 16 + word_, at_.value + kDescs);
  PutWord(at_ + kRing + 16 + 2 * word_, at_.value + kInfos);
  PutWord(head(), first_id_);
  PutWord(tail(), first_id_);
  memory_.PutU32(size_bits(), options_.data_bits);
  PutWord(size_bits() + word_, at_.value + kData);
  memory_.AddZero({at_ + kDescs, at_ + kDescs + count * kDescBytes(word_)});
  memory_.AddZero({at_ + kInfos, at_ + kInfos + count * kInfoBytes});
  memory_.AddZero({at_ + kData, at_ + kData + (uint64_t{1} << options_.data_bits)});
  // The one descriptor there is before the first record.
  PutWord(Descriptor(0), uint64_t{3} << (word_ * 8 - 2) | first_id_);
}

uint64_t LogRingMaker::IdOf(uint64_t sequence) const { return (first_id_ + sequence) & id_mask_; }

VirtAddr LogRingMaker::Descriptor(uint64_t sequence) const {
  uint64_t index = IdOf(sequence) & ((uint64_t{1} << options_.descriptor_bits) - 1);
  return at_ + kDescs + index * kDescBytes(word_);
}

VirtAddr LogRingMaker::Info(uint64_t sequence) const {
  uint64_t index = IdOf(sequence) & ((uint64_t{1} << options_.descriptor_bits) - 1);
  return at_ + kInfos + index * kInfoBytes;
}

void LogRingMaker::SetState(uint64_t sequence, uint64_t state) {
  PutWord(Descriptor(sequence), state << (word_ * 8 - 2) | IdOf(sequence));
}

LogRingMaker& LogRingMaker::Add(std::string_view text, uint8_t level, uint32_t caller_id) {
  const uint64_t size = uint64_t{1} << options_.data_bits;
  const uint64_t block = (word_ + text.size() + word_ - 1) / word_ * word_;
  const uint64_t begin = head_lpos_;
  uint64_t next = (begin + block) & word_mask_;
  wrapped_ = begin >> options_.data_bits != next >> options_.data_bits;
  if (wrapped_) next = ((next >> options_.data_bits << options_.data_bits) + block) & word_mask_;
  // Texts that are written over give up their records.
  while (oldest_ < added_ && ((next - tail_lpos_) & word_mask_) > size) {
    Result<uint64_t> end = memory_.Word(Descriptor(oldest_) + 2 * word_);
    if ((*end & 1) == 0) tail_lpos_ = *end;
    SetState(oldest_++, 3);
  }
  auto put_text = [&](uint64_t lpos) {
    VirtAddr at = data() + (lpos & (size - 1));
    PutWord(at, IdOf(added_));
    return at + word_;
  };
  VirtAddr at = put_text(begin);
  if (wrapped_) at = put_text(0);
  memory_.WriteText(at, text);
  head_lpos_ = next;
  Store(begin, next, static_cast<uint16_t>(text.size()), level, caller_id);
  return *this;
}

LogRingMaker& LogRingMaker::AddWithoutData(uint64_t lpos) {
  Store(lpos, lpos, 0, 6, 0);
  return *this;
}

void LogRingMaker::Store(uint64_t begin, uint64_t next, uint16_t text_bytes, uint8_t level,
                         uint32_t caller_id) {
  const uint64_t count = uint64_t{1} << options_.descriptor_bits;
  if (added_ - oldest_ == count) ++oldest_;
  VirtAddr descriptor = Descriptor(added_), info = Info(added_);
  SetState(added_, 2);
  PutWord(descriptor + word_, begin);
  PutWord(descriptor + 2 * word_, next);
  memory_.PutU64(info, added_);
  memory_.PutU64(info + 8, added_ * 1000000);
  memory_.PutU16(info + 16, text_bytes);
  memory_.PutU8(info + 18, 0);
  memory_.PutU8(info + 19,
                static_cast<uint8_t>(memory_.endian() == Endian::kLittle ? level << 5 : level));
  memory_.PutU32(info + 20, caller_id);
  PutWord(head(), IdOf(added_));
  PutWord(tail(), IdOf(oldest_));
  ++added_;
}

std::string LogRingMaker::Vmcoreinfo() const {
  const uint64_t w = word_;
  return fmt::format(
      "SYMBOL(prb)={:x}\n"
      "OFFSET(printk_ringbuffer.desc_ring)=16\nOFFSET(printk_ringbuffer.text_data_ring)=64\n"
      "OFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)={}\n"
      "OFFSET(prb_desc_ring.infos)={}\nOFFSET(prb_desc_ring.head_id)={}\n"
      "OFFSET(prb_desc_ring.tail_id)={}\nSIZE(prb_desc)={}\nOFFSET(prb_desc.state_var)=0\n"
      "OFFSET(prb_desc.text_blk_lpos)={}\nOFFSET(prb_data_blk_lpos.begin)=0\n"
      "OFFSET(prb_data_blk_lpos.next)={}\nSIZE(printk_info)=88\nOFFSET(printk_info.seq)=0\n"
      "OFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n"
      "OFFSET(printk_info.caller_id)=20\nOFFSET(prb_data_ring.size_bits)=0\n"
      "OFFSET(prb_data_ring.data)={}\nOFFSET(atomic_long_t.counter)=0\n",
      at_.value, w, 2 * w, 3 * w, 4 * w, kDescBytes(w), w, w, w);
}

}  // namespace hmem::makers
