// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/types/btf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/btf_maker.h"

namespace hmem::types {
namespace {

using makers::BtfMaker;
using ::testing::HasSubstr;

std::unique_ptr<Btf> MustParse(const BtfMaker& maker, const Btf* base = nullptr,
                               int word_bytes = 8) {
  auto btf = Btf::Parse(maker.Make(), word_bytes, base);
  if (!btf) {
    ADD_FAILURE() << btf.error().ToString();
    return nullptr;
  }
  return *std::move(btf);
}

TEST(Btf, DescribesEveryKind) {
  BtfMaker maker;
  const TypeId i = maker.Int("int", 4, true);
  const TypeId p = maker.Pointer(i);
  const TypeId a = maker.Array(p, 3);
  const TypeId s = maker.Struct("s", 8, {{"x", i, 0}, {"y", i, 32}});
  const TypeId u = maker.Union("u", 8, {{"x", i, 0}, {"p", p, 0}});
  const TypeId e = maker.Enum("e", {{"E_A", 1}, {"E_B", -2}}, true);
  const TypeId f = maker.Forward("f");
  const TypeId t = maker.Typedef("t", s);
  const TypeId v = maker.Volatile(t);
  const TypeId c = maker.Const(v);
  const TypeId r = maker.Restrict(p);
  const TypeId proto = maker.FuncProto(i, {{"arg", p, 0}});
  const TypeId func = maker.Func("do_it", proto);
  const TypeId var = maker.Var("runqueues", s);
  const TypeId sec = maker.Datasec(".data..percpu", 64, {var});
  const TypeId fl = maker.Float("double", 8);
  const TypeId decl = maker.DeclTag("contains:x", s);
  const TypeId tag = maker.TypeTag("rcu", s);
  const TypeId e64 = maker.Enum64("e64", {{"BIG", int64_t{1} << 40}});
  auto btf = MustParse(maker);
  ASSERT_TRUE(btf);
  EXPECT_EQ(btf->type_count(), 19u);

  struct Expected {
    TypeId id;
    Kind kind;
    std::string_view name;
    uint64_t size;
    TypeId target;
  };
  for (const Expected& x : std::vector<Expected>{{0, Kind::kVoid, "", 0, 0},
                                                 {i, Kind::kInt, "int", 4, 0},
                                                 {p, Kind::kPointer, "", 8, i},
                                                 {a, Kind::kArray, "", 24, p},
                                                 {s, Kind::kStruct, "s", 8, 0},
                                                 {u, Kind::kUnion, "u", 8, 0},
                                                 {e, Kind::kEnum, "e", 4, 0},
                                                 {f, Kind::kForward, "f", 0, 0},
                                                 {t, Kind::kTypedef, "t", 8, s},
                                                 {v, Kind::kQualifier, "volatile", 8, t},
                                                 {c, Kind::kQualifier, "const", 8, v},
                                                 {r, Kind::kQualifier, "restrict", 8, p},
                                                 {proto, Kind::kFunction, "", 0, i},
                                                 {func, Kind::kFunction, "do_it", 0, proto},
                                                 {var, Kind::kOther, "runqueues", 8, s},
                                                 {sec, Kind::kOther, ".data..percpu", 64, 0},
                                                 {fl, Kind::kFloat, "double", 8, 0},
                                                 {decl, Kind::kOther, "contains:x", 0, s},
                                                 {tag, Kind::kQualifier, "", 8, s},
                                                 {e64, Kind::kEnum, "e64", 8, 0}}) {
    auto info = btf->Describe(x.id);
    ASSERT_TRUE(info) << x.id;
    EXPECT_EQ(info->kind, x.kind) << x.id;
    EXPECT_EQ(info->name, x.name) << x.id;
    EXPECT_EQ(info->size_bytes, x.size) << x.id;
    EXPECT_EQ(info->target, x.target) << x.id;
  }
  EXPECT_TRUE(btf->Describe(i)->is_signed);
  EXPECT_EQ(btf->Describe(a)->count, 3u);
}

TEST(Btf, ReadsEnumerators) {
  BtfMaker maker;
  maker.Enum("mod_mem_type", {{"MOD_TEXT", 0}, {"MOD_DATA", 1}});
  maker.Enum("", {{"MINUS", -5}}, true);
  maker.Enum64("", {{"BIG", int64_t{1} << 40}, {"NEGATIVE", -1}}, true);
  maker.Enum("", {{"UNSIGNED", -1}});
  auto btf = MustParse(maker);
  ASSERT_TRUE(btf);
  EXPECT_EQ(btf->Enumerator("MOD_DATA"), 1);
  EXPECT_EQ(btf->Enumerator("MINUS"), -5);
  EXPECT_EQ(btf->Enumerator("BIG"), int64_t{1} << 40);
  EXPECT_EQ(btf->Enumerator("NEGATIVE"), -1);
  EXPECT_EQ(btf->Enumerator("UNSIGNED"), 0xffffffff);
  EXPECT_EQ(btf->Enumerator("NONE").error().code(), ErrorCode::kMissingDebugInfo);
  auto info = btf->Describe(*btf->Find("enum mod_mem_type"));
  ASSERT_EQ(info->values.size(), 2u);
  EXPECT_EQ(info->values[1].first, "MOD_DATA");
}

TEST(Btf, PrefersTheTypeWithASize) {
  BtfMaker maker;
  maker.Forward("task_struct");
  maker.Struct("task_struct", 0, {});
  const TypeId whole = maker.Struct("task_struct", 9728, {});
  auto btf = MustParse(maker);
  EXPECT_EQ(btf->Find("task_struct"), whole);
  EXPECT_EQ(btf->Find("struct task_struct"), whole);
}

TEST(Btf, TakesTheFirstOfTwoEqualTypes) {
  BtfMaker maker;
  const TypeId first = maker.Struct("bus", 8, {});
  maker.Struct("bus", 16, {});
  EXPECT_EQ(MustParse(maker)->Find("bus"), first);
}

TEST(Btf, TellsKindsOfOneNameApart) {
  BtfMaker maker;
  const TypeId i = maker.Int("int", 4);
  const TypeId typedefed = maker.Typedef("x", i);
  const TypeId e = maker.Enum("x", {{"A", 1}});
  const TypeId s = maker.Struct("x", 4, {});
  const TypeId u = maker.Union("x", 4, {});
  auto btf = MustParse(maker);
  EXPECT_EQ(btf->Find("struct x"), s);
  EXPECT_EQ(btf->Find("union x"), u);
  EXPECT_EQ(btf->Find("enum x"), e);
  EXPECT_EQ(btf->Find("x"), s);
  EXPECT_NE(btf->Find("x"), typedefed);
}

TEST(Btf, HasNoTypeThatIsOnlyDeclared) {
  BtfMaker maker;
  maker.Forward("hidden");
  EXPECT_EQ(MustParse(maker)->Find("hidden").error().code(), ErrorCode::kMissingDebugInfo);
}

TEST(Btf, SizesPointersByTheWord) {
  BtfMaker maker(Endian::kBig);
  const TypeId p = maker.Pointer(0);
  EXPECT_EQ(MustParse(maker, nullptr, 4)->Describe(p)->size_bytes, 4u);
}

TEST(Btf, TakesTheByteOrderFromTheMagic) {
  BtfMaker maker(Endian::kBig);
  const TypeId i = maker.Int("int", 4);
  maker.Struct("s", 8, {{"x", i, 0}, {"y", i, 32}});
  auto btf = MustParse(maker);
  EXPECT_EQ(btf->Member("s", "y")->offset_bytes, 4u);
}

TEST(Btf, PlacesBitFieldsOfAKflagStructure) {
  BtfMaker maker;
  const TypeId u32 = maker.Int("unsigned int", 4);
  maker.Struct("s", 12, {{"before", u32, 0}, {"a", u32, 32, 3}, {"b", u32, 35, 10}, {"c", u32, 64}},
               true);
  auto btf = MustParse(maker);
  Field b = *btf->Member("s", "b");
  EXPECT_EQ(b.offset_bytes, 4u);
  EXPECT_EQ(b.size_bytes, 4u);
  EXPECT_EQ(b.bit_offset, 3u);
  EXPECT_EQ(b.bit_size, 10u);
  EXPECT_EQ(b.Extract(0x2aa << 3 | 0x7), 0x2aau);
  EXPECT_EQ(btf->Member("s", "c")->bit_size, 0u);
  EXPECT_EQ(btf->Member("s", "c")->offset_bytes, 8u);
}

TEST(Btf, PlacesBigEndianBitFieldsFromTheTop) {
  BtfMaker maker(Endian::kBig);
  const TypeId u32 = maker.Int("unsigned int", 4);
  maker.Struct("s", 4, {{"top", u32, 0, 3}, {"low", u32, 31, 1}}, true);
  auto btf = MustParse(maker, nullptr, 4);
  EXPECT_EQ(btf->Member("s", "top")->bit_offset, 29u);
  EXPECT_EQ(btf->Member("s", "low")->bit_offset, 0u);
  EXPECT_EQ(btf->Member("s", "top")->Extract(0xa0000000), 5u);
}

TEST(Btf, PlacesABitFieldThatCrossesItsUnit) {
  BtfMaker maker;
  const TypeId u8 = maker.Int("unsigned char", 1);
  maker.Struct("packed", 3, {{"x", u8, 6, 7}}, true);
  Field x = *MustParse(maker)->Member("packed", "x");
  EXPECT_EQ(x.offset_bytes, 0u);
  EXPECT_EQ(x.size_bytes, 2u);
  EXPECT_EQ(x.bit_offset, 6u);
}

TEST(Btf, PlacesBitFieldsOfNarrowIntegers) {
  BtfMaker maker;  // before kflag
  const TypeId narrow = maker.Int("unsigned int", 4, false, 5);
  maker.Struct("s", 4, {{"x", maker.Typedef("five_t", narrow), 7}});
  Field x = *MustParse(maker)->Member("s", "x");
  EXPECT_EQ(x.bit_offset, 7u);
  EXPECT_EQ(x.bit_size, 5u);
  EXPECT_EQ(x.offset_bytes, 0u);
}

TEST(Btf, GoesOnFromItsBase) {
  BtfMaker base;
  const TypeId i = base.Int("int", 4);
  const TypeId s = base.Struct("list_head", 16, {});
  base.Enum("", {{"IN_BASE", 3}});
  BtfMaker split = BtfMaker::SplitFrom(base);
  const TypeId mine = split.Struct("mine", 20, {{"list", s, 0}, {"n", i, 128}});
  auto kernel = MustParse(base);
  auto module = MustParse(split, kernel.get());
  ASSERT_TRUE(module);
  EXPECT_EQ(module->type_count(), 1u);
  EXPECT_EQ(module->Find("mine"), mine);
  EXPECT_EQ(module->Find("list_head"), s);
  EXPECT_EQ(module->Member("mine", "n")->offset_bytes, 16u);
  EXPECT_EQ(module->NameOf(i), "int");
  EXPECT_EQ(module->Enumerator("IN_BASE"), 3);
  EXPECT_FALSE(kernel->Find("mine"));
}

TEST(Btf, PrefersTheModulesOwnType) {
  BtfMaker base;
  base.Struct("config", 8, {});
  BtfMaker split = BtfMaker::SplitFrom(base);
  const TypeId own = split.Struct("config", 4, {});
  auto kernel = MustParse(base);
  EXPECT_EQ(MustParse(split, kernel.get())->Find("config"), own);
}

// Each refusal alone.

Error ParseError(std::vector<std::byte> bytes) {
  auto btf = Btf::Parse(std::move(bytes), 8);
  if (btf) {
    ADD_FAILURE() << "accepted";
    return Error(ErrorCode::kNotFound, "");
  }
  return btf.error();
}

std::vector<std::byte> Good() {
  BtfMaker maker;
  maker.Int("int", 4);
  return maker.Make();
}

std::vector<std::byte> WithWord(size_t offset, uint32_t value) {
  auto bytes = Good();
  Store<uint32_t>(bytes.data() + offset, value, Endian::kLittle);
  return bytes;
}

TEST(BtfParse, RejectsLessThanAHeader) {
  auto bytes = Good();
  bytes.resize(23);
  EXPECT_EQ(ParseError(bytes).code(), ErrorCode::kTruncated);
  EXPECT_EQ(ParseError({}).code(), ErrorCode::kTruncated);
}

TEST(BtfParse, RejectsAnotherMagic) {
  auto bytes = Good();
  bytes[0] = std::byte{0};
  EXPECT_EQ(ParseError(bytes).code(), ErrorCode::kCorrupt);
}

TEST(BtfParse, RejectsAnotherVersion) {
  auto bytes = Good();
  bytes[2] = std::byte{2};
  EXPECT_EQ(ParseError(bytes).code(), ErrorCode::kUnsupported);
}

TEST(BtfParse, RejectsAHeaderThatIsTooShort) {
  EXPECT_EQ(ParseError(WithWord(4, 23)).code(), ErrorCode::kCorrupt);
}

TEST(BtfParse, RejectsAHeaderLongerThanTheBytes) {
  EXPECT_EQ(ParseError(WithWord(4, 4096)).code(), ErrorCode::kCorrupt);
}

TEST(BtfParse, RejectsTypesBehindTheEnd) {
  EXPECT_THAT(ParseError(WithWord(12, 0xffffffff)).ToString(), HasSubstr("offset 0x8: types"));
}

TEST(BtfParse, RejectsStringsBehindTheEnd) {
  EXPECT_THAT(ParseError(WithWord(20, 0xffffffff)).ToString(), HasSubstr("offset 0x10: strings"));
}

TEST(BtfParse, RejectsStringsWithoutNulAtTheEnd) {
  auto bytes = Good();
  bytes.back() = std::byte{'x'};
  EXPECT_THAT(ParseError(bytes).ToString(), HasSubstr("do not end with NUL"));
}

TEST(BtfParse, RejectsNoStringsAtAll) {
  EXPECT_EQ(ParseError(WithWord(20, 0)).code(), ErrorCode::kCorrupt);
}

TEST(BtfParse, RejectsATypeThatIsCut) {
  EXPECT_THAT(ParseError(WithWord(12, 8)).ToString(), HasSubstr("type 1 is cut"));
}

TEST(BtfParse, RejectsMembersBehindTheTypes) {
  BtfMaker maker;
  maker.Raw(0, 4u << 24 | 0xffff, 8);
  EXPECT_THAT(ParseError(maker.Make()).ToString(), HasSubstr("type 1 is cut"));
}

TEST(BtfParse, RejectsKindsItDoesNotKnow) {
  for (uint32_t kind : {0u, 20u, 31u}) {
    BtfMaker maker;
    maker.Raw(0, kind << 24, 0);
    Error error = ParseError(maker.Make());
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_THAT(error.ToString(), HasSubstr("unknown kind"));
  }
}

TEST(BtfParse, RejectsANameOutsideTheStrings) {
  BtfMaker maker;
  maker.Raw(0x1000, 8u << 24, 0);
  EXPECT_THAT(ParseError(maker.Make()).ToString(), HasSubstr("outside the strings"));
}

TEST(BtfParse, RejectsWordsThatAreNone) {
  EXPECT_EQ(Btf::Parse(Good(), 2).error().code(), ErrorCode::kInvalidArgument);
}

TEST(BtfParse, RejectsABaseOfTheOtherByteOrder) {
  BtfMaker base(Endian::kBig);
  base.Int("int", 4);
  auto kernel = MustParse(base, nullptr, 4);
  EXPECT_EQ(Btf::Parse(Good(), 4, kernel.get()).error().code(), ErrorCode::kCorrupt);
}

TEST(BtfDescribe, RejectsIdsThatDoNotExist) {
  BtfMaker maker;
  maker.Int("int", 4);
  auto btf = MustParse(maker);
  EXPECT_EQ(btf->Describe(2).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(btf->Describe(0xffffffff).error().code(), ErrorCode::kCorrupt);
}

TEST(BtfDescribe, RejectsTypedefsInACircle) {
  BtfMaker maker;
  maker.Typedef("a", 2);
  maker.Typedef("b", 1);
  EXPECT_THAT(MustParse(maker)->Describe(1).error().ToString(), HasSubstr("circle"));
}

TEST(BtfDescribe, RejectsAnArrayOfItself) {
  BtfMaker maker;
  maker.Array(1, 1);
  EXPECT_EQ(MustParse(maker)->Describe(1).error().code(), ErrorCode::kCorrupt);
}

TEST(BtfDescribe, RejectsArraysLargerThanMemory) {
  BtfMaker maker;
  const TypeId i = maker.Int("int", 4);
  const TypeId a = maker.Array(maker.Array(i, 0xffffffff), 0xffffffff);
  EXPECT_THAT(MustParse(maker)->Describe(a).error().ToString(), HasSubstr("too large"));
}

TEST(BtfDescribe, RejectsAMemberOfATypeThatDoesNotExist) {
  BtfMaker maker;
  maker.Struct("s", 8, {{"x", 99, 0}});
  Error error = MustParse(maker)->Describe(1).error();
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.ToString(), HasSubstr("s: "));
}

TEST(BtfDescribe, RejectsABitFieldWiderThanAnyInteger) {
  BtfMaker maker;
  const TypeId i = maker.Int("int", 4);
  maker.Struct("s", 64, {{"x", i, 0, 200}}, true);
  EXPECT_EQ(MustParse(maker)->Describe(2).error().code(), ErrorCode::kCorrupt);
}

class FromKernel : public ::testing::Test {
 protected:
  static constexpr VirtAddr kStart{0xffffffff82000000};

  Result<std::unique_ptr<Btf>> Load(VirtAddr stop) {
    symbols::SymbolTable table;
    table.Add(0, "__start_BTF", kStart, 0, 'D');
    table.Add(0, "__stop_BTF", stop, 0, 'D');
    table.Seal();
    return Btf::FromKernel(memory_, table, findings_);
  }
  // 1000 types of 16 bytes from 0x18 on, then their names.
  VirtAddr PutMany() {
    BtfMaker maker;
    for (int i = 0; i < 1000; ++i) maker.Int("type" + std::to_string(i), 4);
    auto bytes = maker.Make();
    memory_.Write(kStart, bytes);
    return kStart + bytes.size();
  }
  fakes::FakeVirtMemory memory_;
  Findings findings_;
};

TEST_F(FromKernel, ReadsWhatTheSymbolsBound) {
  auto bytes = Good();
  memory_.Write(kStart, bytes);
  auto btf = Load(kStart + bytes.size());
  ASSERT_TRUE(btf) << btf.error().ToString();
  EXPECT_TRUE((*btf)->Find("int"));
}

TEST_F(FromKernel, MissesDebugInfoWithoutTheSymbols) {
  symbols::SymbolTable table;
  table.Seal();
  EXPECT_EQ(Btf::FromKernel(memory_, table, findings_).error().code(),
            ErrorCode::kMissingDebugInfo);
}

TEST_F(FromKernel, RefusesARangeThatEndsBeforeItStarts) {
  EXPECT_EQ(Load(kStart - 8).error().code(), ErrorCode::kCorrupt);
}

TEST_F(FromKernel, RefusesARangeLargerThanAnyBtf) {
  EXPECT_EQ(Load(kStart + (uint64_t{1} << 40)).error().code(), ErrorCode::kCorrupt);
}

TEST_F(FromKernel, KnowsTheTypesBeforeAMissingPage) {
  const VirtAddr stop = PutMany();
  memory_.Fail({kStart + 0x2000, kStart + 0x3000}, ErrorCode::kExcluded);
  auto btf = Load(stop);
  ASSERT_TRUE(btf) << btf.error().ToString();
  EXPECT_EQ((*btf)->type_count(), (0x2000u - 0x18) / 16);
  EXPECT_EQ((*btf)->SizeOf("type100"), 4u);
  EXPECT_EQ((*btf)->Find("type999").error().code(), ErrorCode::kMissingDebugInfo);
  EXPECT_EQ((*btf)->Describe(900).error().code(), ErrorCode::kExcluded);
  ASSERT_EQ(findings_.all().size(), 1u);
  EXPECT_EQ(findings_.all()[0].id, "types.btf.holes");
  EXPECT_TRUE(findings_.HasLosses());
}

TEST_F(FromKernel, AMissingPageOfNamesCostsTheseNamesAlone) {
  const VirtAddr stop = PutMany();
  memory_.Fail({kStart + 0x4000, kStart + 0x5000}, ErrorCode::kExcluded);
  auto btf = Load(stop);
  ASSERT_TRUE(btf) << btf.error().ToString();
  EXPECT_EQ((*btf)->type_count(), 1000u);
  EXPECT_TRUE((*btf)->Find("type0"));
  EXPECT_TRUE((*btf)->Find("type999"));
  EXPECT_FALSE((*btf)->Find("type300"));
  EXPECT_EQ((*btf)->Describe(301)->name, "");
  // The name that is cut by the hole must not turn into a shorter one.
  for (TypeId id = 1; id <= 1000; ++id) {
    const std::string name = (*btf)->Describe(id)->name;
    EXPECT_TRUE(name.empty() || name == "type" + std::to_string(id - 1)) << name;
  }
  EXPECT_TRUE(findings_.HasLosses());
}

TEST_F(FromKernel, CutTypesAreNoBaseForAModule) {
  const VirtAddr stop = PutMany();
  memory_.Fail({kStart + 0x2000, kStart + 0x3000}, ErrorCode::kTruncated);
  auto btf = Load(stop);
  ASSERT_TRUE(btf);
  BtfMaker base;
  base.Int("int", 4);
  BtfMaker split = BtfMaker::SplitFrom(base);
  split.Int("own", 4);
  EXPECT_EQ(Btf::Parse(split.Make(), 8, btf->get()).error().code(), ErrorCode::kTruncated);
}

TEST_F(FromKernel, KeepsTheCodeOfAMissingPage) {
  memory_.Fail({kStart, kStart + 0x1000}, ErrorCode::kExcluded);
  EXPECT_EQ(Load(kStart + 0x800).error().code(), ErrorCode::kExcluded);
}

}  // namespace
}  // namespace hmem::types
