// SPDX-License-Identifier: GPL-2.0-or-later
// A made dump of a big-endian 32-bit machine, opened from its file on this host: the target's
// architecture is data.
#include <elf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "hmem/source/memory_source.h"
#include "hmem/space/address_space.h"
#include "hmem/space/cpu_notes.h"
#include "tests/makers/elf_maker.h"
#include "tests/makers/page_table_maker.h"
#include "tests/makers/prstatus_maker.h"
#include "tests/makers/temp_file.h"

namespace hmem::space {
namespace {

constexpr std::string_view kRelease = "6.1.0-powerpc";
constexpr VirtAddr kUts{0xc0500040};
constexpr PhysAddr kRoot{0x600000};
constexpr VirtAddr kVmalloc{0xf1234000};
constexpr PhysAddr kVmallocPhys{0x700000};

class PpcDump : public ::testing::Test {
 protected:
  PpcDump() {
    fakes::FakePhysMemory phys(Endian::kBig);
    phys.WriteText(PhysAddr(kUts.value - 0xc0000000 + 130), kRelease);
    makers::PpcPageTables tables(phys, kRoot);
    tables.Map(kVmalloc, kVmallocPhys);
    phys.PutU32(kVmallocPhys + 0x10, 0x01020304);

    makers::ElfMaker maker(Endian::kBig, 4, EM_PPC);
    const arch::Arch& ppc = **arch::FindArch(EM_PPC, 4, Endian::kBig);
    maker.AddNote("CORE", NT_PRSTATUS,
                  makers::MakePrstatus(ppc, 321, {{"nip", 0xc0012345}, {"r1", 0xc0700f00}}));
    maker.Vmcoreinfo(fmt::format(
        "OSRELEASE={}\nPAGESIZE=4096\nSYMBOL(init_uts_ns)={:x}\nOFFSET(uts_namespace.name)=0\n"
        "SYMBOL(swapper_pg_dir)={:x}\n",
        kRelease, kUts.value, 0xc0000000 + kRoot.value));
    for (const PhysRange& range : phys.map().Ranges()) {
      std::vector<std::byte> bytes(range.size());
      EXPECT_TRUE(phys.Read(range.start, bytes));
      maker.Load(range.start, bytes, VirtAddr(0xc0000000 + range.start.value));
    }
    core_ = maker.Make();
  }

  std::vector<std::byte> core_;
};

TEST_F(PpcDump, IsRecognisedDecodedAndTranslated) {
  makers::TempFile file{std::span<const std::byte>(core_)};
  auto source = source::Open(file.path());
  ASSERT_TRUE(source) << source.error().ToString();
  auto arch =
      arch::FindArch((*source)->elf_machine(), (*source)->word_bytes(), (*source)->endian());
  ASSERT_TRUE(arch) << arch.error().ToString();
  EXPECT_EQ((*arch)->name, "ppc32");

  auto notes = (*source)->notes();
  auto prstatus = std::find_if(notes.begin(), notes.end(),
                               [](const source::Note& n) { return n.type == NT_PRSTATUS; });
  ASSERT_NE(prstatus, notes.end());
  auto cpu = DecodePrstatus(**arch, prstatus->desc);
  ASSERT_TRUE(cpu) << cpu.error().ToString();
  EXPECT_EQ(cpu->pid, 321u);
  EXPECT_EQ(cpu->registers.Get(**arch, "nip"), 0xc0012345u);
  EXPECT_EQ(cpu->registers.Get(**arch, "r1"), 0xc0700f00u);

  Findings findings;
  auto info = Vmcoreinfo::FromSource(**source, findings);
  ASSERT_TRUE(info) << info.error().ToString();
  auto space = AddressSpace::Create(**source, **arch, *info, findings);
  ASSERT_TRUE(space) << space.error().ToString();
  EXPECT_TRUE(space->uses_page_tables());
  EXPECT_TRUE(findings.all().empty());
  EXPECT_EQ(space->Word(kVmalloc + 0x10), 0x01020304u);
  EXPECT_EQ(space->Text(kUts + 130, 65), kRelease);
  EXPECT_EQ(space->U32(kVmalloc + 0x1000).error().code(), ErrorCode::kNotMapped);
}

}  // namespace
}  // namespace hmem::space
