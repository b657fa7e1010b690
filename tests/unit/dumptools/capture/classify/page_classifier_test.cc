// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/classify/page_classifier.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/fakes/fake_memory.h"
#include "tests/makers/memmap_maker.h"

namespace hmem::capture {
namespace {

using makers::MemMapMaker;
using enum PageClass;

class PageClassifierTest : public ::testing::TestWithParam<MemMapMaker::Kind> {
 protected:
  PageClassifierTest() { pages.Section(0); }

  // As the kernel's memory is now.
  PageClassifier& Classifier() {
    auto vmcoreinfo = space::Vmcoreinfo::Parse(pages.Vmcoreinfo(without), findings);
    auto layout = PageLayout::Make(vmcoreinfo, nullptr, Endian::kLittle, 8, findings);
    EXPECT_TRUE(layout) << layout.error().ToString();
    layout_ = *layout;
    auto map = walk::MemMap::Create(vmcoreinfo, memory, nullptr, 4096);
    EXPECT_TRUE(map) << map.error().ToString();
    map_.emplace(*std::move(map));
    classifier_.emplace(*map_, layout_, findings);
    return *classifier_;
  }
  // By walking from pfn 0 on, and by asking for that page alone.
  PageClass ClassOf(uint64_t pfn) {
    PageClassifier& classifier = Classifier();
    PageClass alone = classifier.Explain(Pfn(pfn)).page_class;
    PageClassifier& walker = Classifier();
    Pfn at(0);
    for (;;) {
      ClassifiedRun run = walker.Next({at, Pfn(MemMapMaker::kPagesPerSection)});
      if (run.pages.contains(Pfn(pfn))) {
        EXPECT_EQ(run.page_class, alone) << "pfn " << pfn;
        return run.page_class;
      }
      at = run.pages.end;
    }
  }
  bool Found(std::string_view id) const {
    for (const Finding& finding : findings.all()) {
      if (finding.id == id) return true;
    }
    return false;
  }

  fakes::FakeVirtMemory memory;
  MemMapMaker pages{memory, GetParam()};
  std::string without;
  Findings findings;

 private:
  PageLayout layout_;
  std::optional<walk::MemMap> map_;
  std::optional<PageClassifier> classifier_;
};

INSTANTIATE_TEST_SUITE_P(PageTypes, PageClassifierTest,
                         ::testing::Values(MemMapMaker::Kind::kBits, MemMapMaker::Kind::kType),
                         [](const auto& kind) {
                           return kind.param == MemMapMaker::Kind::kBits ? "Bits" : "TopByte";
                         });

TEST_P(PageClassifierTest, SinglePagesAreWhatTheirFlagsSay) {
  pages.Page(Pfn(1), MemMapMaker::kAnon | MemMapMaker::kLru);
  pages.Page(Pfn(2), MemMapMaker::kLru);
  pages.Page(Pfn(3), MemMapMaker::kLru | MemMapMaker::kPrivate);
  pages.Page(Pfn(4), MemMapMaker::kSwapCache);
  pages.Page(Pfn(5), MemMapMaker::kSlab | MemMapMaker::kAnon);  // mapping is something else there
  pages.Page(Pfn(6), MemMapMaker::kTable);
  pages.Page(Pfn(7), MemMapMaker::kOffline);
  pages.Page(Pfn(8), MemMapMaker::kLru | MemMapMaker::kPoison);
  EXPECT_EQ(ClassOf(0), kKernel);
  EXPECT_EQ(ClassOf(1), kAnonymous);
  EXPECT_EQ(ClassOf(2), kCache);
  EXPECT_EQ(ClassOf(3), kPrivateCache);
  EXPECT_EQ(ClassOf(4), kCache);
  EXPECT_EQ(ClassOf(5), kSlab);
  EXPECT_EQ(ClassOf(7), kOffline);
  EXPECT_EQ(ClassOf(8), kPoisoned);
  EXPECT_EQ(ClassOf(9), kKernel);
  // Only the older numbers tell page tables without types.
  EXPECT_EQ(ClassOf(6), GetParam() == MemMapMaker::Kind::kBits ? kPageTable : kKernel);
}

TEST_P(PageClassifierTest, AFreeBlockIsFreeToItsLastPageFromWhereverItIsLookedAt) {
  pages.Buddy(Pfn(1024), 10);
  pages.Page(Pfn(1500), MemMapMaker::kLru);  // left from before it was freed
  EXPECT_EQ(ClassOf(1023), kKernel);
  EXPECT_EQ(ClassOf(1024), kFree);
  EXPECT_EQ(ClassOf(1500), kFree);
  EXPECT_EQ(ClassOf(2047), kFree);
  EXPECT_EQ(ClassOf(2048), kKernel);
  EXPECT_EQ(Classifier().Next({Pfn(1600), Pfn(4096)}).pages.end, Pfn(2048));
}

TEST_P(PageClassifierTest, AnOrderThatIsNoneFreesOnePageAndIsTold) {
  pages.Buddy(Pfn(1024), 11);
  pages.Buddy(Pfn(3), 2);  // not aligned
  EXPECT_EQ(ClassOf(1024), kFree);
  EXPECT_EQ(ClassOf(1025), kKernel);
  EXPECT_EQ(ClassOf(3), kFree);
  EXPECT_EQ(ClassOf(4), kKernel);
  EXPECT_TRUE(Found("classify.order"));
}

TEST_P(PageClassifierTest, TailsAreWhatTheirHeadIs) {
  pages.Compound(Pfn(512), 9, MemMapMaker::kAnon | MemMapMaker::kLru);
  pages.Compound(Pfn(1024), 3, MemMapMaker::kSlab);
  pages.Compound(Pfn(2048), 9, MemMapMaker::kHugetlb);
  EXPECT_EQ(ClassOf(512), kAnonymous);
  EXPECT_EQ(ClassOf(1023), kAnonymous);
  EXPECT_EQ(ClassOf(1031), kSlab);
  EXPECT_EQ(ClassOf(2048), kHugetlb);
  EXPECT_EQ(ClassOf(2559), kHugetlb);
  EXPECT_EQ(ClassOf(2560), kKernel);
}

TEST_P(PageClassifierTest, OnePoisonedPageOfAHugePageIsLeftOutAlone) {
  pages.Compound(Pfn(512), 9, MemMapMaker::kAnon | MemMapMaker::kLru);
  pages.SetFlags(Pfn(600), uint64_t{1} << 23);
  EXPECT_EQ(ClassOf(599), kAnonymous);
  EXPECT_EQ(ClassOf(600), kPoisoned);
  EXPECT_EQ(ClassOf(601), kAnonymous);
}

// The kernel marks the head for whichever page it was.
TEST_P(PageClassifierTest, APoisonedHugetlbPageIsLeftOutWhole) {
  pages.Compound(Pfn(512), 9, MemMapMaker::kHugetlb | MemMapMaker::kPoison);
  EXPECT_EQ(ClassOf(512), kPoisoned);
  EXPECT_EQ(ClassOf(1023), kPoisoned);
}

// With most of its struct pages given back, the first of them is mapped over and over
// (HugeTLB vmemmap optimisation).
TEST_P(PageClassifierTest, HeadsThatAreSeenAgainInTheMapAreTails) {
  pages.Compound(Pfn(512), 9, MemMapMaker::kHugetlb);
  constexpr uint64_t kPerMapPage = 4096 / MemMapMaker::kStructPageBytes;
  std::vector<std::byte> first(4096);
  ASSERT_TRUE(memory.Read(pages.At(Pfn(512)), first));
  for (uint64_t pfn = 512 + kPerMapPage; pfn < 1024; pfn += kPerMapPage)
    memory.Write(pages.At(Pfn(pfn)), first);
  PageClassifier& classifier = Classifier();
  ClassifiedRun run = classifier.Next({Pfn(512), Pfn(2048)});
  EXPECT_EQ(run.page_class, kHugetlb);
  EXPECT_EQ(run.pages.end, Pfn(1024));
  EXPECT_EQ(classifier.Explain(Pfn(512 + kPerMapPage)).head, Pfn(512));
}

TEST_P(PageClassifierTest, LoopedAndForeignHeadsAreKeptAndTold) {
  pages.SetCompoundHead(Pfn(10), pages.At(Pfn(10)).value | 1);  // itself
  pages.SetCompoundHead(Pfn(11), pages.At(Pfn(12)).value | 1);  // behind it
  pages.SetCompoundHead(Pfn(20), pages.At(Pfn(11)).value | 1);  // a tail
  pages.SetCompoundHead(Pfn(21), pages.At(Pfn(5)).value | 1);   // no head
  pages.SetCompoundHead(Pfn(22), (pages.At(Pfn(5)) + 8).value | 1);
  pages.SetCompoundHead(Pfn(23), 0xdead0000000001);
  for (uint64_t pfn : {10, 11, 20, 21, 22, 23}) EXPECT_EQ(ClassOf(pfn), kKernel) << pfn;
  EXPECT_TRUE(Found("classify.compound"));
}

TEST_P(PageClassifierTest, StructPagesThatCannotBeReadCostOnlyTheirOwn) {
  pages.Page(Pfn(63), MemMapMaker::kLru);
  pages.Page(Pfn(128), MemMapMaker::kLru);
  memory.Fail({pages.At(Pfn(64)), pages.At(Pfn(128))}, ErrorCode::kIo);
  EXPECT_EQ(ClassOf(63), kCache);
  EXPECT_EQ(ClassOf(64), kUnknown);
  EXPECT_EQ(ClassOf(127), kUnknown);
  EXPECT_EQ(ClassOf(128), kCache);
  EXPECT_TRUE(Found("classify.unreadable"));
}

TEST_P(PageClassifierTest, MemoryWithoutASectionIsUnknownInOneStep) {
  PageClassifier& classifier = Classifier();
  ClassifiedRun run = classifier.Next({Pfn(MemMapMaker::kPagesPerSection), Pfn(3'000'000)});
  EXPECT_EQ(run.page_class, kUnknown);
  EXPECT_EQ(run.pages.end, Pfn(3'000'000));
}

TEST_P(PageClassifierTest, ASectionTableThatCannotBeReadKeepsEverything) {
  memory.Fail({MemMapMaker::kSections, MemMapMaker::kSections + 4096}, ErrorCode::kTruncated);
  EXPECT_EQ(Classifier().Next({Pfn(0), Pfn(100)}).page_class, kUnknown);
  EXPECT_TRUE(Found("classify.no-section"));
}

// 64 struct pages at a time, these would take days.
TEST(PageClassifier, AMapThatIsNowhereIsGivenUpInEverLargerSteps) {
  fakes::FakeVirtMemory memory;
  MemMapMaker maker(memory, MemMapMaker::Kind::kBits);
  constexpr VirtAddr kMemMap{0xffff888000050000};
  memory.PutPointer(kMemMap, VirtAddr(0xffffea0000000000));
  Findings findings;
  auto vmcoreinfo = space::Vmcoreinfo::Parse(
      maker.Vmcoreinfo("SYMBOL(mem_section)") + "SYMBOL(mem_map)=ffff888000050000\n", findings);
  auto layout = PageLayout::Make(vmcoreinfo, nullptr, Endian::kLittle, 8, findings);
  ASSERT_TRUE(layout) << layout.error().ToString();
  auto map = walk::MemMap::Create(vmcoreinfo, memory, nullptr, 4096);
  ASSERT_TRUE(map) << map.error().ToString();
  PageClassifier classifier(*map, *layout, findings);
  const Pfn end(uint64_t{1} << 48);
  int runs = 0;
  for (Pfn at(0); at < end; ++runs) {
    ClassifiedRun run = classifier.Next({at, end});
    EXPECT_EQ(run.page_class, kUnknown);
    at = run.pages.end;
  }
  EXPECT_LT(runs, 10000);
}

TEST_P(PageClassifierTest, ExplainShowsWhatItDecidedBy) {
  pages.Compound(Pfn(512), 9, MemMapMaker::kAnon | MemMapMaker::kLru);
  PageExplanation told = Classifier().Explain(Pfn(700));
  EXPECT_EQ(told.head, Pfn(512));
  EXPECT_EQ(told.struct_page, pages.At(Pfn(700)));
  EXPECT_EQ(told.compound_head, pages.At(Pfn(512)).value | 1);
  EXPECT_EQ(told.bytes.size(), MemMapMaker::kStructPageBytes);
  EXPECT_NE(told.rule.find("PAGE_MAPPING_ANON"), std::string_view::npos);
}

TEST_P(PageClassifierTest, AMissingKeyKeepsTheClassAndIsTold) {
  pages.Buddy(Pfn(1024), 3);
  without = "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)";
  EXPECT_EQ(ClassOf(1024), kKernel);
  EXPECT_TRUE(Found("classify.layout"));
}

}  // namespace
}  // namespace hmem::capture
