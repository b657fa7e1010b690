// SPDX-License-Identifier: GPL-2.0-or-later
// One set of claims that every codec has to keep.
#include "hmem/codec/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/makers/pattern.h"

namespace hmem::codec {
namespace {

using makers::Pattern;

class EveryCodec : public testing::TestWithParam<const Codec*> {
 protected:
  const Codec& codec() const { return *GetParam(); }

  std::vector<std::byte> Pack(std::span<const std::byte> raw, int level = 1) const {
    std::vector<std::byte> packed(codec().bound(raw.size()));
    auto n = codec().pack(raw, packed, level);
    EXPECT_TRUE(n);
    packed.resize(n.value_or(0));
    return packed;
  }
};

INSTANTIATE_TEST_SUITE_P(Codec, EveryCodec,
                         testing::ValuesIn(AllCodecs().begin(), AllCodecs().end()),
                         [](const auto& param) { return std::string(param.param->name); });

TEST_P(EveryCodec, GivesBackWhatWasPacked) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{65536}, size_t{300001}}) {
    std::vector<std::byte> raw = Pattern(bytes, bytes);
    std::vector<std::byte> packed = Pack(raw);
    std::vector<std::byte> again(bytes);
    ASSERT_TRUE(codec().unpack(packed, again)) << bytes;
    EXPECT_EQ(again, raw) << bytes;
  }
}

TEST_P(EveryCodec, TakesEveryLevel) {
  std::vector<std::byte> raw = Pattern(3, 65536);
  for (int level : {-5, 0, 1, 3, 9, 100}) {
    std::vector<std::byte> packed = Pack(raw, level);
    std::vector<std::byte> again(raw.size());
    ASSERT_TRUE(codec().unpack(packed, again)) << level;
    EXPECT_EQ(again, raw) << level;
  }
}

TEST_P(EveryCodec, IsPreparedForItsBlocks) {
  for (size_t bytes : {size_t{4096}, size_t{65536}})
    EXPECT_TRUE(Prepare(codec(), bytes, 1)) << bytes;
}

TEST_P(EveryCodec, NeedsNoMoreThanAMiBToPackAtUsualLevels) {
  for (int level : {-3, 0, 1}) {
    EXPECT_LE(codec().work_bytes(65536, level), 1u << 20) << level;
    EXPECT_LE(codec().work_bytes(4096, level), codec().work_bytes(65536, level)) << level;
  }
}

TEST_P(EveryCodec, PacksZerosSmall) {
  if (codec().name == "none") return;
  // A copy of snappy's is of 64 bytes at most, and takes three.
  EXPECT_LT(Pack(std::vector<std::byte>(65536)).size(), 65536u / 20);
}

// What a block left in the work memory of its thread is nothing to the next one.
TEST_P(EveryCodec, PacksABlockTheSameWhateverWasPackedBefore) {
  std::vector<std::byte> raw = Pattern(4);
  std::vector<std::byte> first = Pack(raw);
  for (size_t bytes : {size_t{100}, size_t{65536}, size_t{4096}}) {
    Pack(Pattern(5, bytes), 3);
    std::vector<std::byte> small(16);
    (void)codec().pack(Pattern(6, bytes), small, 1);
    EXPECT_EQ(Pack(raw), first) << bytes;
  }
}

TEST_P(EveryCodec, SaysSoWhenThereIsNoRoom) {
  std::vector<std::byte> raw = Pattern(1, 65536);
  std::vector<std::byte> packed = Pack(raw);
  std::vector<std::byte> small(packed.size() / 2);
  auto n = codec().pack(raw, small, 1);
  ASSERT_FALSE(n);
  EXPECT_EQ(n.error().code(), ErrorCode::kLimit);
}

TEST_P(EveryCodec, PacksIntoExactlyEnoughRoom) {
  if (codec().name == "zstd") return;  // it wants a few bytes more than it uses
  std::vector<std::byte> raw = Pattern(2);
  std::vector<std::byte> packed = Pack(raw);
  std::vector<std::byte> exact(packed.size() + 1);
  auto n = codec().pack(raw, exact, 1);
  ASSERT_TRUE(n);
  EXPECT_EQ(*n, packed.size());
}

TEST_P(EveryCodec, RefusesCutInput) {
  std::vector<std::byte> raw = Pattern(1);
  std::vector<std::byte> packed = Pack(raw);
  for (size_t cut = 0; cut < packed.size(); cut += 97) {
    std::vector<std::byte> out(raw.size());
    Status status = codec().unpack(std::span(packed).first(cut), out);
    ASSERT_FALSE(status) << cut;
    EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt) << cut;
  }
}

TEST_P(EveryCodec, RefusesInputThatYieldsMoreThanThereIsRoomFor) {
  std::vector<std::byte> packed = Pack(Pattern(1));
  std::vector<std::byte> out(4095);
  Status status = codec().unpack(packed, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
}

TEST_P(EveryCodec, RefusesInputThatYieldsLess) {
  std::vector<std::byte> packed = Pack(Pattern(1));
  std::vector<std::byte> out(4097);
  Status status = codec().unpack(packed, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
}

TEST_P(EveryCodec, SurvivesGarbage) {
  std::vector<std::byte> out(4096);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::vector<std::byte> garbage = Pattern(seed, seed * 7);
    (void)codec().unpack(garbage, out);
  }
}

TEST_P(EveryCodec, SurvivesFlippedBits) {
  std::vector<std::byte> packed = Pack(Pattern(1));
  for (size_t i = 0; i < packed.size(); i += 13) {
    std::vector<std::byte> flipped = packed;
    flipped[i] ^= std::byte{0x20};
    std::vector<std::byte> out(4096);
    (void)codec().unpack(flipped, out);
  }
}

TEST_P(EveryCodec, WorksInSeveralThreads) {
  std::vector<std::jthread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([this, seed] {
      std::vector<std::byte> raw = Pattern(seed, 65536);
      for (int i = 0; i < 20; ++i) {
        std::vector<std::byte> packed = Pack(raw);
        std::vector<std::byte> again(raw.size());
        EXPECT_TRUE(codec().unpack(packed, again));
        EXPECT_EQ(again, raw);
      }
    });
  }
}

TEST(FindCodec, ByNameAndByNumber) {
  for (const Codec* codec : AllCodecs()) {
    EXPECT_EQ(FindCodec(codec->name), codec);
    if (codec->hmem_id == kNoHmemId) continue;
    EXPECT_EQ(FindCodecById(codec->hmem_id), codec);
  }
  EXPECT_EQ((*FindCodecById(0))->name, "none");
  EXPECT_EQ((*FindCodecById(1))->name, "lz4");
  EXPECT_EQ((*FindCodecById(2))->name, "zstd");
}

TEST(FindCodec, NamesWhatIsNotThere) {
  auto name = FindCodec("brotli");
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(name.error().ToString(), testing::HasSubstr("brotli"));
  auto number = FindCodecById(0x77);
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().code(), ErrorCode::kUnsupported);
  EXPECT_FALSE(FindCodecById(kNoHmemId));
}

TEST(AllCodecs, IsSortedAndNumbersAreOnce) {
  auto all = AllCodecs();
  for (size_t i = 1; i < all.size(); ++i) {
    EXPECT_LT(all[i - 1]->name, all[i]->name);
    for (size_t j = 0; j < i; ++j) {
      EXPECT_TRUE(all[i]->hmem_id == kNoHmemId || all[i]->hmem_id != all[j]->hmem_id);
    }
  }
}

}  // namespace
}  // namespace hmem::codec
