// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/kdump_head.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "arch/arch.h"
#include "hmem/base/findings.h"
#include "hmem/format/elf_note.h"
#include "hmem/source/kdump_bitmap.h"
#include "hmem/space/address_space.h"
#include "hmem/space/utsname.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::capture {
namespace {

constexpr std::string_view kVmcoreinfo = "VMCOREINFO";
constexpr uint64_t kMostBits = source::KdumpBitmap::kMaxBlocks * source::KdumpBitmap::kBlockBits;

uint64_t DivideUp(uint64_t n, uint64_t by) { return n / by + (n % by != 0); }

Result<space::Utsname> NamesInMemory(const source::MemorySource& source,
                                     const space::Vmcoreinfo& vmcoreinfo) {
  Findings ignored;  // whoever reads the dump meets them again
  HMEM_ASSIGN(const arch::Arch* arch,
              arch::FindArch(source.elf_machine(), source.word_bytes(), source.endian()));
  HMEM_ASSIGN(auto memory, space::AddressSpace::Create(source, *arch, vmcoreinfo, ignored));
  auto at = vmcoreinfo.Symbol("init_uts_ns");
  if (!at) return Fail(ErrorCode::kNotFound, "VMCOREINFO: no SYMBOL(init_uts_ns)");
  return space::ReadUtsname(memory, *at, vmcoreinfo);
}

Status SetNames(const source::MemorySource& source, const space::Vmcoreinfo& vmcoreinfo,
                format::KdumpHeader& header) {
  if (auto names = NamesInMemory(source, vmcoreinfo)) {
    header.utsname = std::move(names->fields);
  } else {
    header.utsname[0] = "Linux";
    header.utsname[2] = vmcoreinfo.Text("OSRELEASE").value_or("");
  }
  if (format::KdumpElfMachine(header) == source.elf_machine()) return {};
  std::string_view usual = format::KdumpMachineName(source.elf_machine());
  if (usual.empty()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: a kdump file of ELF machine {}, which it has no name for",
                            source.path(), source.elf_machine()));
  }
  header.set_machine(usual);
  return {};
}

uint32_t CountCpus(const source::MemorySource& source) {
  auto cpus = std::ranges::count_if(source.notes(), [](const format::Note& note) {
    return note.name == "CORE" && note.type == NT_PRSTATUS;
  });
  return static_cast<uint32_t>(std::max<ptrdiff_t>(cpus, 1));  // readers take 0 for a broken header
}

// The sub header's pointers to the notes behind it, and to the text of one of them.
void PlaceNotes(const source::MemorySource& source, KdumpHead& head) {
  const uint64_t offset =
      head.header.block_bytes + format::BuildKdumpSubHeader(head.sub, head.header).size();
  head.notes = format::SerializeNotes(source.notes(), source.endian());
  head.sub.note_offset = offset;
  head.sub.note_bytes = head.notes.size();
  auto vmcoreinfo = std::ranges::find(source.notes(), kVmcoreinfo, &format::Note::name);
  if (vmcoreinfo != source.notes().end()) {
    auto up_to = source.notes().first(static_cast<size_t>(vmcoreinfo - source.notes().begin()) + 1);
    uint64_t end = offset + format::SerializeNotes(up_to, source.endian()).size();
    head.sub.vmcoreinfo_bytes = vmcoreinfo->desc.size();
    head.sub.vmcoreinfo_offset = end - DivideUp(vmcoreinfo->desc.size(), 4) * 4;
  }
  head.header.sub_header_blocks = static_cast<uint32_t>(
      DivideUp(offset - head.header.block_bytes + head.notes.size(), head.header.block_bytes));
}

}  // namespace

Result<KdumpHead> MakeKdumpHead(const source::MemorySource& source, uint32_t dump_level) {
  Findings ignored;
  space::Vmcoreinfo vmcoreinfo;
  if (auto found = space::Vmcoreinfo::FromSource(source, ignored)) vmcoreinfo = *std::move(found);

  KdumpHead head;
  head.header.endian = source.endian();
  head.header.block_bytes = source.page_bytes();
  HMEM_TRY(SetNames(source, vmcoreinfo, head.header));
  head.header.layout = format::KdumpLayoutOf(source.word_bytes(), head.header.machine());
  head.header.time_seconds = vmcoreinfo.Number("CRASHTIME").value_or(0);
  head.header.nr_cpus = CountCpus(source);
  head.sub.phys_base = vmcoreinfo.Number("NUMBER(phys_base)").value_or(0);
  head.sub.dump_level = dump_level;

  const uint64_t page_bytes = source.page_bytes();
  const uint64_t end_pfn = source.ram().empty() ? 0 : source.ram().back().end.value / page_bytes;
  // On arm, bit 0 is the first page of RAM.
  if (source.elf_machine() == EM_ARM && !source.ram().empty()) {
    head.sub.phys_base = source.ram().front().start.value;
    head.first_pfn = head.sub.phys_base / page_bytes;
  }
  head.bits = end_pfn - head.first_pfn;
  if (head.bits == 0) return Fail(ErrorCode::kNotFound, source.path() + ": no RAM to dump");
  if (head.bits > kMostBits) {
    return Fail(ErrorCode::kLimit, fmt::format("{}: RAM up to page {:#x}, at most {:#x} pages fit "
                                               "a kdump file",
                                               source.path(), end_pfn, kMostBits));
  }
  head.sub.max_mapnr_64 = head.bits;
  head.header.max_mapnr =
      static_cast<uint32_t>(std::min<uint64_t>(head.bits, std::numeric_limits<uint32_t>::max()));
  head.header.bitmap_blocks =
      static_cast<uint32_t>(2 * DivideUp(DivideUp(head.bits, 8), page_bytes));
  PlaceNotes(source, head);
  return head;
}

}  // namespace hmem::capture
