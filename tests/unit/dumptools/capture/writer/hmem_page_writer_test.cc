// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/hmem_page_writer.h"

#include <gtest/gtest.h>

#include <random>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/capture/pipeline/batch_planner.h"
#include "dumptools/capture/pipeline/page_reader.h"
#include "tests/fakes/fake_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"

namespace hmem::capture {
namespace {

TEST(HmemPageWriter, RandomPagesAreStoredRawNotLarger) {
  fakes::FakeSource machine;
  machine.memory.AddZero({PhysAddr(0), PhysAddr(0x10000)});
  std::mt19937_64 random(1);
  for (uint64_t at = 0; at < 0x10000; at += 8) machine.memory.PutU64(PhysAddr(at), random());
  fakes::FakeSink sink;
  HmemWriter writer(sink, {});
  HmemPageWriter pages(writer, **codec::FindCodec("lz4"), 0);
  auto made = PageBatch::Make(4096, pages.packs());
  ASSERT_TRUE(made);
  PageBatch& batch = **made;
  WholeScan scan(machine);
  ASSERT_TRUE(BatchPlanner(machine, scan).Fill(batch));
  ReadPages(machine, false, batch);
  ASSERT_TRUE(pages.Pack(batch));
  EXPECT_EQ(batch.packed().size(), format::PagesHeadSize(1, 1) + 0x10000);
}

TEST(HmemPageWriter, WithoutACodecPagesAreStoredFromWhereTheyWereRead) {
  fakes::FakeSource machine;
  machine.memory.AddZero({PhysAddr(0), PhysAddr(0x23000)});
  for (uint64_t at = 0; at < 0x23000; at += 8) machine.memory.PutU64(PhysAddr(at), at + 1);
  fakes::FakeSink sink;
  HmemWriter writer(sink, {});
  HmemPageWriter pages(writer, **codec::FindCodec("none"), 0);
  auto made = PageBatch::Make(4096, pages.packs());
  ASSERT_TRUE(made);
  PageBatch& batch = **made;
  WholeScan scan(machine);
  ASSERT_TRUE(BatchPlanner(machine, scan).Fill(batch));
  ReadPages(machine, false, batch);
  ASSERT_TRUE(pages.Pack(batch));
  const size_t head_bytes = format::PagesHeadSize(1, 3);
  ASSERT_EQ(batch.packed().size(), head_bytes + 0x23000);
  EXPECT_EQ(batch.packed().data() + head_bytes, batch.raw().data());
  EXPECT_EQ(batch.digest(), format::PayloadDigest(batch.packed()));
  auto head = format::DecodePagesHead({.type = format::FrameType::kPages,
                                       .stored_bytes = static_cast<uint32_t>(batch.packed().size()),
                                       .raw_bytes = 0x23000,
                                       .page_count = 0x23},
                                      4096, batch.packed());
  ASSERT_TRUE(head) << head.error().ToString();
  ASSERT_EQ(head->blocks.size(), 3u);
  EXPECT_EQ(head->blocks[2].stored_bytes, 0x3000u);
}

// Zero pages of many batches in a row: one frame tells of them.
TEST(HmemPageWriter, FatesOfBatchesWithoutPagesShareAFrame) {
  fakes::FakeSource machine;
  machine.memory.AddZero({PhysAddr(0), PhysAddr(16 << 20)});
  int fates = 0;
  for (const makers::FrameSpan& frame : makers::FramesOf(makers::HmemBytes(machine))) {
    if (frame.header.type != format::FrameType::kFate) continue;
    ++fates;
    EXPECT_EQ(frame.header.page_count, (16u << 20) / 4096);
  }
  EXPECT_EQ(fates, 1);
}

}  // namespace
}  // namespace hmem::capture
