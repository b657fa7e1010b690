// SPDX-License-Identifier: GPL-2.0-or-later
// The whole way of a capture - walking, classes, filter, order, writer - over a kernel of which one
// thing is broken. Whatever it is: the dump ends, opens, has a fate for every page of RAM, has lost
// none that an unbroken kernel's has, and says what was met and where. Time is counted in reads of
// the source. Memory: everything that grows with what is read is bounded where it grows (runs of
// pages by bytes, tables by RAM, lists by entries), and the tests here that claim much would not
// end within the limits of any machine if one of these believed a claim.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "dumptools/capture/order/scan_plan.h"
#include "dumptools/capture/pipeline/exchange.h"
#include "hmem/source/memory_source.h"
#include "tests/fakes/fake_positioned_sink.h"
#include "tests/fakes/fake_sink.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/memmap_maker.h"
#include "tests/makers/small_kernel.h"
#include "tests/makers/temp_file.h"

namespace hmem::capture {
namespace {

using makers::MemMapMaker;
using makers::SmallKernel;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// An unbroken kernel takes about a tenth.
constexpr uint64_t kMostReads = 60000;

struct Taken {
  std::set<uint64_t> kept, left_out;  // pfns
  Findings findings;
  uint64_t reads = 0;

  // Where and how often; empty: no such finding.
  std::string Told(std::string_view id) const {
    for (const Finding& finding : findings.all()) {
      if (finding.id == id) return finding.places.empty() ? finding.text : finding.places[0];
    }
    return {};
  }
};

std::set<uint64_t> Pages(std::initializer_list<PfnRange> ranges) {
  std::set<uint64_t> pages;
  for (const PfnRange& range : ranges) {
    for (Pfn pfn = range.start; pfn < range.end; pfn = pfn + 1) pages.insert(pfn.value);
  }
  return pages;
}

// What crash, drgn and gdb read: as many pages as a .hmem dump counts, in an ELF core also some
// between them.
void ExpectInOtherFormats(const source::MemorySource& source, ScanRequest request,
                          const PageCounts& counts) {
  request.by_value = false;
  for (DumpFormat format : {DumpFormat::kKdump, DumpFormat::kElf}) {
    SCOPED_TRACE(DumpFormatName(format));
    fakes::TearingSource counted(source);
    Findings findings;
    walk::LazyKernel kernel(counted);
    ScanPlan plan(counted, kernel, request, findings);
    kernel.Close();
    fakes::FakeSink unused;
    fakes::FakePositionedSink sink;
    auto outcome = CaptureExchange(
        counted, [&plan] { return plan.AddressOrder(); }, unused, sink,
        {.format = format, .compression = *ParseCompression("none", format)}, findings);
    ASSERT_TRUE(outcome) << outcome.error().ToString();
    EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_COMPLETE);
    EXPECT_EQ(outcome->counts.all(), outcome->ram_pages);
    EXPECT_EQ(outcome->counts.kept, counts.kept);
    EXPECT_EQ(outcome->counts.zero, counts.zero);
    EXPECT_EQ(outcome->counts.excluded, counts.excluded);
    EXPECT_EQ(outcome->counts.unreadable, counts.unreadable);
    // Memory is gone over three times, and tables once more for where an ELF core is mapped.
    EXPECT_LE(counted.reads(), 4 * kMostReads);
    makers::TempFile file{std::span<const std::byte>(sink.bytes)};
    auto dump = source::Open(file.path());
    ASSERT_TRUE(dump) << dump.error().ToString();
    EXPECT_TRUE((*dump)->complete());
    uint64_t present = 0;
    for (uint64_t pfn = 0; pfn < SmallKernel::kPages; ++pfn)
      present += (*dump)->FateOf(Pfn(pfn)) == source::PageFate::kPresent ? 1 : 0;
    EXPECT_GE(present, counts.kept + counts.zero);
    if (format == DumpFormat::kKdump) {
      EXPECT_EQ(present, counts.kept + counts.zero);
    }
  }
}

Taken Take(const source::MemorySource& source, const ScanRequest& request) {
  Taken taken;
  fakes::TearingSource counted(source);
  fakes::FakeSink sink;
  auto outcome = makers::CapturePlanned(counted, request, sink, taken.findings);
  taken.reads = counted.reads();
  EXPECT_TRUE(outcome) << outcome.error().ToString();
  if (!outcome) return taken;
  EXPECT_EQ(outcome->reason, v1::DumpEnd::REASON_COMPLETE);
  EXPECT_EQ(outcome->counts.all(), outcome->ram_pages);
  EXPECT_LE(taken.reads, kMostReads);
  makers::TempFile file{std::span<const std::byte>(sink.bytes)};
  auto dump = source::Open(file.path());
  EXPECT_TRUE(dump) << dump.error().ToString();
  if (!dump) return taken;
  EXPECT_TRUE((*dump)->complete());
  EXPECT_TRUE(std::ranges::equal((*dump)->ram(), source.ram()));
  for (const PhysRange& range : (*dump)->ram()) {
    for (uint64_t pfn = range.start.value / 4096; pfn < range.end.value / 4096; ++pfn) {
      const source::PageFate fate = (*dump)->FateOf(Pfn(pfn));
      (fate == source::PageFate::kPresent ? taken.kept : taken.left_out).insert(pfn);
      EXPECT_TRUE(fate == source::PageFate::kPresent || fate == source::PageFate::kExcluded) << pfn;
    }
  }
  return taken;
}

const SmallKernel& Unbroken() {
  static const SmallKernel kernel;
  return kernel;
}

class HostileKernel : public ::testing::Test {
 protected:
  HostileKernel() { request.walk_time = std::chrono::hours(1); }

  Taken Take() { return capture::Take(kernel.Source(), request); }
  // What is left out of an unbroken kernel; `less` are pages of which nobody can know it now.
  static std::set<uint64_t> LeftOutBut(const std::set<uint64_t>& less) {
    std::set<uint64_t> pages =
        Pages({SmallKernel::kAnonymous, SmallKernel::kCache, SmallKernel::kHuge, SmallKernel::kFree,
               SmallKernel::kFreeToo});
    for (uint64_t pfn : less) pages.erase(pfn);
    return pages;
  }

  SmallKernel kernel = Unbroken();
  ScanRequest request{.filter = *PageFilter::Parse("31"), .wanted = {}};
};

// Struct pages.

TEST_F(HostileKernel, UnbrokenHasNothingToTell) {
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
  for (const Finding& finding : taken.findings.all())
    ADD_FAILURE() << finding.id << ": " << finding.places[0] << ": " << finding.text;
}

TEST_F(HostileKernel, ATailWhoseHeadCannotBeOneIsKept) {
  const Pfn pfn = SmallKernel::kHuge.start + 5;
  const auto at = [](Pfn head) { return SmallKernel::StructPage(head).value | 1; };
  for (uint64_t link : {at(pfn), at(pfn - 1), at(pfn + 1), at(Pfn(0)), at(Pfn(1) - 2), at(pfn) + 8,
                        uint64_t{1} << 63 | 1, 0xdead000000000101, ~uint64_t{0}}) {
    kernel.Put(SmallKernel::StructPage(pfn) + 8, link);
    Taken taken = Take();
    EXPECT_EQ(taken.left_out, LeftOutBut({pfn.value})) << fmt::format("{:#x}", link);
    EXPECT_EQ(taken.Told("classify.compound"), fmt::format("pfn {:#x}", pfn.value));
  }
}

TEST_F(HostileKernel, WhereEveryPageIsATailOfTheNextAllAreKept) {
  for (uint64_t pfn = 0; pfn < SmallKernel::kPages; ++pfn) {
    const Pfn next((pfn + 1) % SmallKernel::kPages);
    kernel.Put(SmallKernel::StructPage(Pfn(pfn)) + 8, SmallKernel::StructPage(next).value | 1);
  }
  Taken taken = Take();
  EXPECT_THAT(taken.left_out, IsEmpty());
  EXPECT_EQ(taken.Told("classify.compound"), "pfn 0x100");  // the image comes first
}

TEST_F(HostileKernel, AFreeBlockOfNoOrderIsOnePage) {
  std::set<uint64_t> rest = Pages({SmallKernel::kFree});
  rest.erase(SmallKernel::kFree.start.value);
  for (uint64_t order :
       {uint64_t{11}, uint64_t{63}, uint64_t{64}, uint64_t{1} << 60, ~uint64_t{0}}) {
    kernel.Put(SmallKernel::StructPage(SmallKernel::kFree.start) + 40, order);
    Taken taken = Take();
    EXPECT_EQ(taken.left_out, LeftOutBut(rest)) << order;
    EXPECT_EQ(taken.Told("classify.order"), "pfn 0x400");
  }
}

// Page 0 is aligned to every order.
TEST_F(HostileKernel, NoFreeBlockReachesOutOfItsSection) {
  kernel.vmcoreinfo = "LENGTH(zone.free_area)=20\n" + kernel.vmcoreinfo;
  kernel.Put(SmallKernel::StructPage(Pfn(0)) + 48, 0xf0000000);
  kernel.Put(SmallKernel::StructPage(Pfn(0)) + 40, 16);
  Taken taken = Take();
  std::set<uint64_t> expected = LeftOutBut({});
  expected.insert(0);
  EXPECT_EQ(taken.left_out, expected);
  EXPECT_EQ(taken.Told("classify.order"), "pfn 0x0");
}

TEST_F(HostileKernel, AnUnacceptedBlockAtNoPlaceForOneIsOnePage) {
  kernel.vmcoreinfo += "NUMBER(PAGE_UNACCEPTED_MAPCOUNT_VALUE)=-150994944\n";  // 0xf7 << 24
  kernel.Put(SmallKernel::StructPage(Pfn(0x705)) + 48, 0xf7000000);
  Taken taken = Take();
  std::set<uint64_t> expected = LeftOutBut({});
  expected.insert(0x705);
  EXPECT_EQ(taken.left_out, expected);
  EXPECT_EQ(taken.Told("classify.order"), "pfn 0x705");
}

// A scan that begins within the block must not answer otherwise than one that comes from its start.
TEST_F(HostileKernel, AFreeBlockWhoseFirstPageIsPoisonedIsNone) {
  kernel.Put(SmallKernel::StructPage(Pfn(0)), uint64_t{1} << 23);
  kernel.Put(SmallKernel::StructPage(Pfn(0)) + 48, 0xf0000000);
  kernel.Put(SmallKernel::StructPage(Pfn(0)) + 40, 9);
  std::set<uint64_t> expected = LeftOutBut({});
  expected.insert(0);
  EXPECT_EQ(Take().left_out, expected);
}

TEST_F(HostileKernel, WhatIsReadOnlyNowAndThenIsToldOnce) {
  // The scans of two tiers do not meet the same struct pages; each page is one's all the same.
  fakes::TearingSource torn(kernel.Source());
  for (uint64_t every : {2, 3, 5}) {
    torn.FailEvery(every);
    fakes::FakeSink sink;
    Findings findings;
    auto outcome = makers::CapturePlanned(torn, request, sink, findings);
    ASSERT_TRUE(outcome) << outcome.error().ToString();
    EXPECT_EQ(outcome->counts.all(), SmallKernel::kPages) << every;
  }
}

TEST_F(HostileKernel, StructPagesThatCannotBeReadAreOfUnknownClass) {
  // Those of pfn 0x400 to 0x43f.
  const PhysAddr page = SmallKernel::PhysOf(SmallKernel::StructPage(Pfn(0x400)));
  kernel.memory.memory.Fail({page, page + 4096}, ErrorCode::kExcluded);
  Taken taken;
  fakes::FakeSink sink;
  auto outcome = makers::CapturePlanned(kernel.Source(), request, sink, taken.findings);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(taken.Told("classify.unreadable"), "pfn 0x400");
  // The block's other pages do not say that they are free; that page of struct pages is gone.
  EXPECT_EQ(outcome->counts.excluded, LeftOutBut(Pages({SmallKernel::kFree})).size() + 1);
}

// mem_section.

TEST_F(HostileKernel, ASectionThatLeadsNowhereIsOfUnknownClass) {
  for (uint64_t map : {0xdead00000000000f, uint64_t{1} << 63 | 0xf, 0xffffffffffffffcf,
                       0xffffffffffffefcf, uint64_t{0xf}}) {
    kernel.Put(MemMapMaker::kSections, map);
    Taken taken = Take();
    EXPECT_THAT(taken.left_out, IsEmpty()) << fmt::format("{:#x}", map);
    EXPECT_EQ(taken.Told("classify.unreadable"), "pfn 0x100");
  }
}

TEST_F(HostileKernel, ARootThatLeadsNowhereIsToldAndAllIsKept) {
  for (uint64_t sections : {0xdead000000000000, uint64_t{1} << 63, ~uint64_t{0}}) {
    kernel.Put(MemMapMaker::kRoots, sections);
    Taken taken = Take();
    EXPECT_THAT(taken.left_out, IsEmpty()) << fmt::format("{:#x}", sections);
    EXPECT_EQ(taken.Told("classify.no-section"), "pfn 0x100");
  }
}

// The root table, taken for sections, says nothing of any map.
TEST_F(HostileKernel, ARootThatIsItsOwnSectionsKeepsAll) {
  kernel.Put(MemMapMaker::kRoots, MemMapMaker::kRoots.value);
  EXPECT_THAT(Take().left_out, IsEmpty());
}

// VMCOREINFO.

TEST_F(HostileKernel, WithoutVmcoreinfoAllIsKept) {
  kernel.vmcoreinfo.clear();
  Taken taken = Take();
  EXPECT_THAT(taken.left_out, IsEmpty());
  EXPECT_THAT(taken.Told("classify.none"), HasSubstr("no VMCOREINFO note"));
  EXPECT_THAT(taken.Told("order.no-kernel"), HasSubstr("no VMCOREINFO note"));
  EXPECT_TRUE(taken.findings.HasLosses());
}

TEST_F(HostileKernel, VmcoreinfoCutAnywhereLosesNoPage) {
  const std::string whole = kernel.vmcoreinfo;
  for (size_t part = 0; part < 12; ++part) {
    kernel.vmcoreinfo = whole.substr(0, whole.size() * part / 12);
    Taken taken = Take();
    const std::set<uint64_t> all = LeftOutBut({});
    EXPECT_TRUE(std::ranges::includes(all, taken.left_out)) << part;
    EXPECT_THAT(taken.findings.all(), testing::Not(IsEmpty())) << part;
  }
}

TEST_F(HostileKernel, LinesThatAreNoneLeaveTheOthersAsTheyAre) {
  kernel.vmcoreinfo = std::string(1 << 20, 'x') + "\n\xff\xfe=\x80\xc0\n=\n\n" + kernel.vmcoreinfo +
                      "SIZE(page)=0\n" + "SIZE(" + std::string(1 << 20, 'y');
  EXPECT_EQ(Take().left_out, LeftOutBut({}));
}

TEST_F(HostileKernel, ALieThatCanBeToldIsNamedAndAllIsKept) {
  for (auto [key, value] :
       {std::pair("SIZE(page)", "0"), std::pair("SIZE(page)", "57"), std::pair("SIZE(page)", "60"),
        std::pair("SIZE(page)", "9223372036854775808"), std::pair("OFFSET(page.flags)", "64"),
        std::pair("OFFSET(page.flags)", "1"), std::pair("OFFSET(page._mapcount)", "61"),
        std::pair("OFFSET(page.mapping)", "18446744073709551615"),
        std::pair("SIZE(mem_section)", "0"), std::pair("SIZE(mem_section)", "9223372036854775808"),
        std::pair("OFFSET(mem_section.section_mem_map)", "9223372036854775808"),
        std::pair("LENGTH(mem_section)", "0"),
        std::pair("LENGTH(mem_section)", "1152921504606846976"),
        std::pair("NUMBER(SECTION_SIZE_BITS)", "0"),
        std::pair("NUMBER(SECTION_SIZE_BITS)", "18446744073709551615"),
        std::pair("NUMBER(MAX_PHYSMEM_BITS)", "0"),
        std::pair("NUMBER(MAX_PHYSMEM_BITS)", "18446744073709551615"),
        std::pair("NUMBER(PG_lru)", "64")}) {
    SmallKernel liar = Unbroken();
    liar.Without(key);
    liar.vmcoreinfo += fmt::format("{}={}\n", key, value);
    Taken taken = capture::Take(liar.Source(), request);
    EXPECT_THAT(taken.left_out, IsEmpty()) << key << "=" << value;
    EXPECT_THAT(taken.Told("classify.none"), HasSubstr(key)) << value;
    EXPECT_TRUE(taken.findings.HasLosses());
  }
}

// They cannot be told, but lead to no page that is lost.
TEST_F(HostileKernel, OtherLiesLoseNoPage) {
  for (auto [key, value] :
       {std::pair("SIZE(page)", "128"), std::pair("SIZE(mem_section)", "256"),
        std::pair("LENGTH(mem_section)", "67108864"), std::pair("NUMBER(SECTION_SIZE_BITS)", "46"),
        std::pair("NUMBER(SECTION_SIZE_BITS)", "24"), std::pair("NUMBER(MAX_PHYSMEM_BITS)", "28"),
        std::pair("NUMBER(MAX_PHYSMEM_BITS)", "53"),
        std::pair("SYMBOL(mem_section)", "8000000000000000"),
        std::pair("SYMBOL(mem_section)", "ffffffffffffffff"), std::pair("SYMBOL(mem_section)", "0"),
        std::pair("OFFSET(page.compound_head)", "56"), std::pair("LENGTH(zone.free_area)", "64")}) {
    SmallKernel liar = Unbroken();
    liar.Without(key);
    liar.vmcoreinfo += fmt::format("{}={}\n", key, value);
    Taken taken = capture::Take(liar.Source(), request);
    // A wrong size reads the wrong struct page: what it says is then of other pages, but of no
    // more.
    if (std::string_view(key) == "SIZE(page)") {
      EXPECT_LE(taken.left_out.size(), LeftOutBut({}).size());
      continue;
    }
    const std::set<uint64_t> all = LeftOutBut({});
    EXPECT_TRUE(std::ranges::includes(all, taken.left_out)) << key << "=" << value;
  }
}

TEST_F(HostileKernel, AKindOfPageWhoseTypeIsNoneIsKept) {
  const std::set<uint64_t> free = Pages({SmallKernel::kFree, SmallKernel::kFreeToo});
  for (const char* value :
       {"-1", "0", "3", "-127", "4294967295", "2147483647", "-2147483649", "9223372036854775808"}) {
    SmallKernel liar = Unbroken();
    for (const char* key :
         {"NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)", "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)"}) {
      liar.Without(key);
      liar.vmcoreinfo += fmt::format("{}={}\n", key, value);
    }
    Taken taken = capture::Take(liar.Source(), request);
    EXPECT_EQ(taken.left_out, LeftOutBut(free)) << value;
    EXPECT_THAT(taken.Told("classify.layout"), HasSubstr("PAGE_BUDDY_MAPCOUNT_VALUE")) << value;
  }
}

TEST_F(HostileKernel, TwoKindsOfOneTypeAreKept) {
  kernel.Without("NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)");
  kernel.vmcoreinfo += "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-184549376\n";  // that of slab pages
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut(Pages({SmallKernel::kFree, SmallKernel::kFreeToo})));
  EXPECT_EQ(taken.Told("classify.layout"), "page type 0xf5000000");
}

// Page tables.

TEST_F(HostileKernel, KernelTablesThatLeadBackUpAreToldAndTheRestIsWalked) {
  kernel.Put(SmallKernel::kTables + 300 * 8, SmallKernel::kTables.value | 0x67);
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
  EXPECT_THAT(taken.Told("order.first-tier"), HasSubstr("PGD entry at phys 0x100960"));
}

// Each level's entries all lead to the next level's one table: 2^36 pages in four pages of memory.
void PutDiamonds(SmallKernel& kernel, PhysAddr root, uint64_t first, uint64_t last,
                 PhysAddr spare) {
  for (uint64_t i = first; i < last; ++i) kernel.Put(root + i * 8, spare.value | 0x67);
  for (uint64_t level = 0; level < 3; ++level) {
    const PhysAddr table = spare + level * 4096;
    for (uint64_t i = 0; i < 512; ++i) kernel.Put(table + i * 8, (table + 4096).value | 0x67);
  }
}

TEST_F(HostileKernel, MoreKernelTablesThanRamHasPagesAreTold) {
  PutDiamonds(kernel, SmallKernel::kTables, 280, 400, PhysAddr(0x708000));
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
  EXPECT_THAT(taken.Told("order.first-tier"), HasSubstr("more tables than any kernel has"));
}

TEST_F(HostileKernel, UserTablesThatLeadBackUpAreToldAndTheirProcessIsKept) {
  request.wanted = {*Wanted::Parse("task:17")};
  EXPECT_EQ(Take().left_out, LeftOutBut(Pages({SmallKernel::kAnonymous})));
  kernel.Put(SmallKernel::kUserTables + 7 * 8, SmallKernel::kUserTables.value | 0x67);
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut(Pages({SmallKernel::kAnonymous})));
  EXPECT_THAT(taken.Told("filter.keep"), HasSubstr("PGD entry at phys 0x1c0038"));
}

TEST_F(HostileKernel, MoreUserTablesThanRamHasPagesAreTold) {
  request.wanted = {*Wanted::Parse("task:17")};
  PutDiamonds(kernel, SmallKernel::kUserTables, 1, 256, PhysAddr(0x708000));
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut(Pages({SmallKernel::kAnonymous})));
  EXPECT_THAT(taken.Told("filter.keep"), HasSubstr("more page tables than any process has"));
}

TEST_F(HostileKernel, ARootOfItselfKeepsAll) {
  for (uint64_t i = 0; i < 512; ++i)
    kernel.Put(SmallKernel::kTables + i * 8, SmallKernel::kTables.value | 0x67);
  EXPECT_THAT(Take().left_out, IsEmpty());
}

// Lists.

TEST_F(HostileKernel, ATaskListThatLoopsOrEndsStillLeadsToItsTasks) {
  request.wanted = {*Wanted::Parse("task:17")};
  const VirtAddr first = SmallKernel::kTask + SmallKernel::kTasksOffset;
  for (uint64_t next : {first.value, uint64_t{0}, uint64_t{1} << 63, 0xdead000000000100,
                        ~uint64_t{0}, SmallKernel::kModuleList.value}) {
    kernel.Put(first, next);
    Taken taken = Take();
    EXPECT_EQ(taken.left_out, LeftOutBut(Pages({SmallKernel::kAnonymous})))
        << fmt::format("{:#x}", next);
  }
}

TEST_F(HostileKernel, WithoutATaskListTheDumpIsAsItWas) {
  request.wanted = {*Wanted::Parse("task:17")};
  for (uint64_t offset : {uint64_t{0}, uint64_t{8}})
    kernel.Put(SmallKernel::kInitTask + SmallKernel::kTasksOffset + offset, 0xdead000000000100);
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
  EXPECT_EQ(taken.Told("filter.keep"), "task:17: no such process, or none with user memory");
}

TEST_F(HostileKernel, AModuleThatClaimsTooMuchIsToldAndLeftToItsTier) {
  kernel.Put(SmallKernel::kModule + SmallKernel::kModuleSizeOffset, 0x3fffffff);
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
  EXPECT_THAT(taken.Told("order.first-tier"), HasSubstr("made: virt 0xffffffffc0001000"));
}

// 8192 CPUs of 1 GiB each would be 2^31 pages to look up.
TEST_F(HostileKernel, PerCpuAreasOfNobodyAreNotLookedForForever) {
  kernel.Put(SmallKernel::kPerCpuUnitSize, 0x3fffffff);
  kernel.Put(SmallKernel::kCpuLimit, 0xffffffff);
  kernel.Without("CRASHTIME");
  Taken taken = Take();
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
  EXPECT_THAT(taken.Told("order.first-tier"), HasSubstr("per-CPU area of cpu 0"));
}

// The other formats: their headers come from scans of their own, and an ELF core's from the
// kernel's page tables, too.

TEST_F(HostileKernel, KdumpAndElfHaveTheSamePages) {
  const std::pair<const char*, std::function<void(SmallKernel&)>> ways[] = {
      {"every page is a tail of the next",
       [](SmallKernel& broken) {
         for (uint64_t pfn = 0; pfn < SmallKernel::kPages; ++pfn) {
           const Pfn next((pfn + 1) % SmallKernel::kPages);
           broken.Put(SmallKernel::StructPage(Pfn(pfn)) + 8,
                      SmallKernel::StructPage(next).value | 1);
         }
       }},
      {"struct pages that cannot be read",
       [](SmallKernel& broken) {
         const PhysAddr page = SmallKernel::PhysOf(SmallKernel::StructPage(Pfn(0x400)));
         broken.memory.memory.Fail({page, page + 4096}, ErrorCode::kIo);
       }},
      {"a section that leads nowhere",
       [](SmallKernel& broken) { broken.Put(MemMapMaker::kSections, 0xdead00000000000f); }},
      {"no VMCOREINFO", [](SmallKernel& broken) { broken.vmcoreinfo.clear(); }},
      {"tables that lead back up",
       [](SmallKernel& broken) {
         broken.Put(SmallKernel::kTables + 300 * 8, SmallKernel::kTables.value | 0x67);
       }},
      {"more tables than RAM has pages",
       [](SmallKernel& broken) {
         PutDiamonds(broken, SmallKernel::kTables, 280, 400, PhysAddr(0x708000));
       }},
      {"a root of itself",
       [](SmallKernel& broken) {
         for (uint64_t i = 0; i < 512; ++i)
           broken.Put(SmallKernel::kTables + i * 8, SmallKernel::kTables.value | 0x67);
       }},
  };
  for (const auto& [what, breaks] : ways) {
    SCOPED_TRACE(what);
    kernel = Unbroken();
    breaks(kernel);
    fakes::FakeSink sink;
    Findings findings;
    auto whole = makers::CapturePlanned(kernel.Source(), request, sink, findings);
    ASSERT_TRUE(whole) << whole.error().ToString();
    ExpectInOtherFormats(kernel.Source(), request, whole->counts);
  }
}

// ELF cores of it.

class HostileCore : public HostileKernel {
 protected:
  makers::ElfMaker Core() {
    const fakes::FakeSource& source = kernel.Source();
    std::vector<std::byte> ram(SmallKernel::kPages * 4096);
    EXPECT_TRUE(source.Read(PhysAddr(0), ram));
    makers::ElfMaker core;
    core.Vmcoreinfo(kernel.vmcoreinfo).Load(PhysAddr(0), ram);
    return core;
  }
  Taken TakeOf(const std::vector<std::byte>& core) {
    makers::TempFile file{std::span(core)};
    auto source = source::Open(file.path());
    EXPECT_TRUE(source) << source.error().ToString();
    return source ? capture::Take(**source, request) : Taken{};
  }
};

TEST_F(HostileCore, OverlappingSegmentsOfOtherContentAreReadFromTheLarger) {
  const std::vector<std::byte> other(0x10000, std::byte{0xff});
  Taken taken = TakeOf(Core()
                           .Load(SmallKernel::kStructPages.start, other)
                           .Load(SmallKernel::kTables + 0x800, other)
                           .Load(PhysAddr(0x20000), other)
                           .Make());
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
}

TEST_F(HostileCore, NotesThatClaim4GiBStillHaveVmcoreinfo) {
  const uint64_t claimed = uint64_t{4} << 30;
  auto core = Core().Edit([&](std::vector<format::ElfSegment>& segments) {
    segments[0].file_bytes = segments[0].memory_bytes = claimed;
  });
  EXPECT_EQ(TakeOf(core.Make()).left_out, LeftOutBut({}));
  // The last note says so of itself.
  std::vector<std::byte> bytes = Core().AddNote("CORE", 1, std::vector<std::byte>(64)).Make();
  const std::string_view name("CORE\0\0\0\0", 8);
  auto at = std::ranges::search(bytes, std::as_bytes(std::span(name))).begin();
  ASSERT_NE(at, bytes.end());
  Store<uint32_t>(&*at - 8, 0xffffffff, Endian::kLittle);
  EXPECT_EQ(TakeOf(bytes).left_out, LeftOutBut({}));
}

TEST_F(HostileCore, MemoryAt2To63IsKeptAsOfUnknownClass) {
  const std::vector<std::byte> page(4096, std::byte{7});
  const PhysAddr far(uint64_t{1} << 63);
  Taken taken = TakeOf(Core().Load(far, page, VirtAddr(far.value)).Make());
  EXPECT_EQ(taken.left_out, LeftOutBut({}));
  EXPECT_TRUE(taken.kept.contains(far.value / 4096));
}

TEST_F(HostileCore, SegmentsThatClaimMostOfTheAddressSpaceAreSteppedOver) {
  for (uint64_t bytes : {uint64_t{1} << 62, ~uint64_t{0} - 4095, uint64_t{1} << 63}) {
    auto core =
        Core().Load(PhysAddr(uint64_t{1} << 32), std::vector<std::byte>(4096, std::byte{7}));
    core.Edit([&](std::vector<format::ElfSegment>& segments) {
      segments.back().file_bytes = segments.back().memory_bytes = bytes;
    });
    makers::TempFile file{std::span<const std::byte>(core.Make())};
    auto source = source::Open(file.path());
    ASSERT_TRUE(source) << source.error().ToString();
    fakes::TearingSource counted(**source);
    fakes::FakeSink sink;
    Findings findings;
    auto outcome = makers::CapturePlanned(counted, request, sink, findings);
    ASSERT_TRUE(outcome) << outcome.error().ToString();
    EXPECT_LE(counted.reads(), kMostReads);
    EXPECT_EQ(outcome->counts.all(), outcome->ram_pages);
    EXPECT_EQ(outcome->counts.excluded, LeftOutBut({}).size());
    EXPECT_FALSE((*source)->complete());
    makers::TempFile written{std::span<const std::byte>(sink.bytes)};
    auto dump = source::Open(written.path());
    EXPECT_TRUE(dump) << dump.error().ToString();
  }
}

}  // namespace
}  // namespace hmem::capture
