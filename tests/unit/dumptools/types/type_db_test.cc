// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/types/type_db.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "dumptools/types/btf.h"
#include "tests/makers/btf_maker.h"

namespace hmem::types {
namespace {

using makers::BtfMaker;
using ::testing::HasSubstr;

class Types : public ::testing::Test {
 protected:
  const TypeDb& Db() {
    if (!btf_) {
      auto parsed = Btf::Parse(maker_.Make(), 8);
      if (!parsed) {
        ADD_FAILURE() << parsed.error().ToString();
        std::abort();
      }
      btf_ = *std::move(parsed);
    }
    return *btf_;
  }

  BtfMaker maker_;
  TypeId u64_ = maker_.Int("long unsigned int", 8);
  TypeId char_ = maker_.Int("char", 1, true);
  std::unique_ptr<Btf> btf_;
};

TEST_F(Types, FollowADottedPath) {
  TypeId thread = maker_.Struct("thread_struct", 24, {{"pad", u64_, 0}, {"sp", u64_, 64}});
  maker_.Struct("task_struct", 64, {{"state", u64_, 0}, {"thread", thread, 256}});
  Field sp = *Db().Member("task_struct", "thread.sp");
  EXPECT_EQ(sp.offset_bytes, 40u);
  EXPECT_EQ(sp.size_bytes, 8u);
  EXPECT_EQ(sp.type, u64_);
}

TEST_F(Types, FollowAPathThroughTypedefsAndQualifiers) {
  TypeId inner = maker_.Struct("", 16, {{"a", u64_, 0}, {"b", u64_, 64}});
  TypeId named = maker_.Const(maker_.Typedef("atomic_t", inner));
  maker_.Struct("s", 32, {{"x", named, 128}});
  EXPECT_EQ(Db().Member("s", "x.b")->offset_bytes, 24u);
}

TEST_F(Types, LookIntoAnonymousMembers) {
  TypeId deep = maker_.Struct("", 8, {{"c", u64_, 0}});
  TypeId anonymous = maker_.Union("", 16, {{"a", u64_, 0}, {"", deep, 64}});
  maker_.Struct("page", 32, {{"flags", u64_, 0}, {"", anonymous, 64}});
  EXPECT_EQ(Db().Member("page", "a")->offset_bytes, 8u);
  EXPECT_EQ(Db().Member("page", "c")->offset_bytes, 16u);
  EXPECT_FALSE(Db().Has("page", "d"));
}

TEST_F(Types, TakeElementsOfArrays) {
  TypeId memory = maker_.Struct("module_memory", 72, {{"base", maker_.Pointer(0), 64}});
  maker_.Struct("module", 1024,
                {{"mem", maker_.Array(memory, 7), 320 * 8},
                 {"grid", maker_.Array(maker_.Array(u64_, 4), 2), 0}});
  EXPECT_EQ(Db().Member("module", "mem[2].base")->offset_bytes, 320 + 2 * 72 + 8u);
  EXPECT_EQ(Db().Member("module", "mem[2]")->size_bytes, 72u);
  EXPECT_EQ(Db().Member("module", "grid[1][3]")->offset_bytes, 7 * 8u);
  EXPECT_EQ(Db().Member("module", "mem")->size_bytes, 7 * 72u);
}

TEST_F(Types, RefuseAnElementBehindTheArray) {
  maker_.Struct("s", 16, {{"x", maker_.Array(u64_, 2), 0}});
  EXPECT_EQ(Db().Member("s", "x[2]").error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(Types, TakeAnyElementOfAFlexibleArray) {
  maker_.Struct("s", 16, {{"x", maker_.Array(u64_, 0), 128}});
  EXPECT_EQ(Db().Member("s", "x[9]")->offset_bytes, 16 + 72u);
}

TEST_F(Types, RefuseAnIndexIntoWhatIsNoArray) {
  maker_.Struct("s", 16, {{"x", u64_, 0}});
  EXPECT_EQ(Db().Member("s", "x[0]").error().code(), ErrorCode::kMissingDebugInfo);
}

TEST_F(Types, NameTheMissingPart) {
  TypeId thread = maker_.Struct("thread_struct", 8, {{"sp", u64_, 0}});
  maker_.Struct("task_struct", 8, {{"thread", thread, 0}});
  Error error = Db().Member("task_struct", "thread.ksp").error();
  EXPECT_EQ(error.code(), ErrorCode::kMissingDebugInfo);
  EXPECT_EQ(error.ToString(), "task_struct: thread.ksp: no member \"ksp\" in struct thread_struct");
}

TEST_F(Types, DoNotFollowPointers) {
  maker_.Struct("s", 8, {{"p", maker_.Pointer(u64_), 0}});
  EXPECT_EQ(Db().Member("s", "p.x").error().code(), ErrorCode::kMissingDebugInfo);
}

TEST_F(Types, MissTheTypeItself) {
  EXPECT_EQ(Db().Member("nothing", "x").error().code(), ErrorCode::kMissingDebugInfo);
  EXPECT_EQ(Db().SizeOf("nothing").error().code(), ErrorCode::kMissingDebugInfo);
}

TEST_F(Types, RefusePathsThatAreNone) {
  maker_.Struct("s", 8, {{"x", maker_.Array(u64_, 1), 0}});
  for (std::string_view path : {"", ".", "x.", ".x", "x[", "x[]", "x[0", "x[a]", "x[0]y", "x..y"}) {
    auto member = Db().Member("s", path);
    ASSERT_FALSE(member) << path;
    EXPECT_EQ(member.error().code(), ErrorCode::kInvalidArgument) << path;
  }
}

TEST_F(Types, EndInAnonymousStructuresThatHoldThemselves) {
  const TypeId self = maker_.next_id();
  maker_.Struct("", 8, {{"", self, 0}});
  maker_.Struct("s", 8, {{"", self, 0}});
  EXPECT_EQ(Db().Member("s", "x").error().code(), ErrorCode::kCorrupt);
}

TEST_F(Types, EndInAnonymousStructuresThatMultiply) {
  std::vector<BtfMaker::Member> members;
  TypeId id = u64_;
  for (int depth = 0; depth < 8; ++depth) {
    members.assign(64, {"", id, 0});
    id = maker_.Struct("", 8, members);
  }
  maker_.Struct("s", 8, {{"", id, 0}});
  EXPECT_EQ(Db().Member("s", "x").error().code(), ErrorCode::kCorrupt);
}

TEST_F(Types, AnswerTheSameTwice) {
  maker_.Struct("s", 16, {{"x", u64_, 64}});
  EXPECT_EQ(Db().Member("s", "x")->offset_bytes, Db().Member("s", "x")->offset_bytes);
  EXPECT_EQ(Db().Member("s", "y").error().code(), Db().Member("s", "y").error().code());
}

TEST_F(Types, ResolveToWhatIsBehindNames) {
  TypeId s = maker_.Struct("s", 8, {});
  TypeId t = maker_.Typedef("t", maker_.Const(maker_.Typedef("u", s)));
  EXPECT_EQ(Db().Resolve(t)->kind, Kind::kStruct);
  EXPECT_EQ(Db().SizeOf("t"), 8u);
}

TEST_F(Types, AreNamedAsInC) {
  TypeId list = maker_.Struct("list_head", 16, {});
  TypeId pointer = maker_.Pointer(list);
  TypeId text = maker_.Array(char_, 16);
  TypeId grid = maker_.Array(maker_.Array(char_, 4), 2);
  TypeId pointers = maker_.Array(pointer, 3);
  TypeId to_array = maker_.Pointer(text);
  TypeId constant = maker_.Pointer(maker_.Const(char_));
  TypeId const_pointer = maker_.Const(maker_.Pointer(char_));
  TypeId tagged = maker_.Pointer(maker_.TypeTag("rcu", list));
  TypeId function = maker_.Pointer(maker_.FuncProto(u64_));
  TypeId anonymous = maker_.Union("", 8, {});
  TypeId forward = maker_.Forward("hidden", true);
  TypeId alias = maker_.Typedef("pid_t", u64_);
  EXPECT_EQ(Db().NameOf(0), "void");
  EXPECT_EQ(Db().NameOf(pointer), "struct list_head *");
  EXPECT_EQ(Db().NameOf(text), "char[16]");
  EXPECT_EQ(Db().NameOf(grid), "char[2][4]");
  EXPECT_EQ(Db().NameOf(pointers), "struct list_head *[3]");
  EXPECT_EQ(Db().NameOf(to_array), "char (*)[16]");
  EXPECT_EQ(Db().NameOf(constant), "const char *");
  EXPECT_EQ(Db().NameOf(const_pointer), "char * const");
  EXPECT_EQ(Db().NameOf(tagged), "struct list_head *");
  EXPECT_EQ(Db().NameOf(function), "long unsigned int (*)()");
  EXPECT_EQ(Db().NameOf(anonymous), "union {...}");
  EXPECT_EQ(Db().NameOf(forward), "union hidden");
  EXPECT_EQ(Db().NameOf(alias), "pid_t");
}

TEST_F(Types, AreNamedWithinBoundsWhenDamaged) {
  const TypeId self = maker_.next_id();
  maker_.Pointer(self);
  EXPECT_THAT(Db().NameOf(self), HasSubstr("?"));
  EXPECT_EQ(Db().NameOf(9999), "?");
}

TEST(Field, ExtractsNothingFromAWholeField) {
  EXPECT_EQ(Field{.size_bytes = 8}.Extract(0x123456789), 0x123456789u);
}

TEST(Field, ExtractsSixtyFourBits) {
  EXPECT_EQ((Field{.bit_size = 64, .size_bytes = 8}).Extract(~uint64_t{0}), ~uint64_t{0});
}

}  // namespace
}  // namespace hmem::types
