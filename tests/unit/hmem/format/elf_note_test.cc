// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/elf_note.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/makers/pattern.h"

namespace hmem::format {
namespace {

using makers::Bytes;
using makers::Pattern;

std::vector<Note> TwoNotes() {
  return {{.name = "CORE", .type = NT_PRSTATUS, .desc = Pattern(1, 333)},
          {.name = "VMCOREINFO", .type = 0, .desc = Bytes("OSRELEASE=6.1.0\n")}};
}

TEST(ElfNote, ReadsBackWhatItWroteInBothOrders) {
  for (Endian endian : {Endian::kLittle, Endian::kBig}) {
    auto notes = ParseNotes(SerializeNotes(TwoNotes(), endian), endian);
    ASSERT_TRUE(notes);
    ASSERT_EQ(notes->size(), 2u);
    EXPECT_EQ((*notes)[0].name, "CORE");
    EXPECT_EQ((*notes)[0].type, static_cast<uint32_t>(NT_PRSTATUS));
    EXPECT_EQ((*notes)[0].desc, Pattern(1, 333));
    EXPECT_EQ((*notes)[1].name, "VMCOREINFO");
    EXPECT_EQ((*notes)[1].desc, Bytes("OSRELEASE=6.1.0\n"));
  }
}

TEST(ElfNote, HasTheLayoutOfTheStandard) {
  std::vector<Note> notes = {{.name = "CORE", .type = 1, .desc = Bytes("ab")}};
  EXPECT_EQ(SerializeNotes(notes, Endian::kBig),
            Bytes(std::string_view("\0\0\0\5\0\0\0\2\0\0\0\1CORE\0\0\0\0ab\0\0", 24)));
}

TEST(ElfNote, StopsAtAnAllZeroHeader) {
  std::vector<std::byte> bytes = SerializeNotes(TwoNotes(), Endian::kLittle);
  bytes.resize(bytes.size() + 64);
  std::vector<std::byte> behind = SerializeNotes(TwoNotes(), Endian::kLittle);
  bytes.insert(bytes.end(), behind.begin(), behind.end());
  EXPECT_EQ(ParseNotes(bytes, Endian::kLittle)->size(), 2u);
}

TEST(ElfNote, TakesZerosThatAreNoWholeHeaderAsPadding) {
  std::vector<std::byte> bytes = SerializeNotes(TwoNotes(), Endian::kLittle);
  bytes.resize(bytes.size() + 8);
  EXPECT_EQ(ParseNotes(bytes, Endian::kLittle)->size(), 2u);
}

TEST(ElfNote, TakesALastNoteWithoutPadding) {
  std::vector<Note> notes = {{.name = "A", .type = 7, .desc = Bytes("xyz")}};
  std::vector<std::byte> bytes = SerializeNotes(notes, Endian::kLittle);
  bytes.pop_back();
  auto parsed = ParseNotes(bytes, Endian::kLittle);
  ASSERT_TRUE(parsed);
  EXPECT_EQ((*parsed)[0].desc, Bytes("xyz"));
}

TEST(ElfNote, NamesTheOffsetOfACutNote) {
  std::vector<std::byte> bytes = SerializeNotes(TwoNotes(), Endian::kLittle);
  bytes.resize(100);
  auto notes = ParseNotes(bytes, Endian::kLittle, 0x1000);
  ASSERT_FALSE(notes);
  EXPECT_EQ(notes.error().code(), ErrorCode::kTruncated);
  EXPECT_THAT(notes.error().ToString(), testing::HasSubstr("offset 0x1014"));
}

TEST(ElfNote, RefusesHalfAHeader) {
  std::vector<std::byte> bytes = SerializeNotes(TwoNotes(), Endian::kLittle);
  bytes.push_back(std::byte{1});
  auto notes = ParseNotes(bytes, Endian::kLittle);
  ASSERT_FALSE(notes);
  EXPECT_EQ(notes.error().code(), ErrorCode::kTruncated);
}

TEST(ElfNote, RefusesANameThatEndsLongBeforeItsSize) {
  std::vector<std::byte> bytes = SerializeNotes(
      std::vector<Note>{{.name = "LONGNAME", .type = 1, .desc = {}}}, Endian::kLittle);
  bytes[12] = std::byte{0};
  auto notes = ParseNotes(bytes, Endian::kLittle);
  ASSERT_FALSE(notes);
  EXPECT_EQ(notes.error().code(), ErrorCode::kCorrupt);
}

TEST(ElfNote, RefusesSizesThatReachBeyondTheStream) {
  for (size_t field : {size_t{0}, size_t{4}}) {
    std::vector<std::byte> bytes = SerializeNotes(TwoNotes(), Endian::kLittle);
    Store<uint32_t>(&bytes[field], 0xffffffff, Endian::kLittle);
    auto notes = ParseNotes(bytes, Endian::kLittle);
    ASSERT_FALSE(notes) << field;
    EXPECT_EQ(notes.error().code(), ErrorCode::kTruncated) << field;
  }
}

TEST(ElfNote, RefusesMoreNotesThanItsLimit) {
  std::vector<Note> many(kMaxNotes, Note{.name = "A", .type = 1, .desc = {}});
  EXPECT_TRUE(ParseNotes(SerializeNotes(many, Endian::kLittle), Endian::kLittle));
  many.push_back(many.front());
  auto notes = ParseNotes(SerializeNotes(many, Endian::kLittle), Endian::kLittle);
  ASSERT_FALSE(notes);
  EXPECT_EQ(notes.error().code(), ErrorCode::kLimit);
}

TEST(ElfNote, AppendKeepsTheNotesBeforeTheDamage) {
  std::vector<std::byte> bytes = SerializeNotes(TwoNotes(), Endian::kLittle);
  bytes.resize(bytes.size() - 8);
  std::vector<Note> notes;
  EXPECT_FALSE(AppendNotes(bytes, Endian::kLittle, 0, notes));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].name, "CORE");
}

}  // namespace
}  // namespace hmem::format
