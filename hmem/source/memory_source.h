// SPDX-License-Identifier: GPL-2.0-or-later
// A crashed machine's memory, whatever it is kept in: /proc/vmcore, /dev/hmem, an ELF core, a
// kdump-compressed file, .hmem.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hmem/base/address.h"
#include "hmem/base/endian.h"
#include "hmem/base/findings.h"
#include "hmem/base/phys_reader.h"
#include "hmem/base/result.h"
#include "hmem/format/elf_note.h"

namespace hmem::source {

using format::Note;

// A PT_LOAD's claim about the direct mapping. A hint: page tables are the truth.
struct VirtSegment {
  VirtRange virt;
  PhysAddr phys;
};

enum class PageFate {
  kPresent,     // bytes are there (zero pages that were elided count)
  kHole,        // not RAM
  kExcluded,    // filtered out
  kUnreadable,  // could not be read when the dump was made
  kNotReached,  // the dump ended, or was cut, before it
  kDamaged,     // the part of the dump that speaks of it is damaged
};

// Pages in a row that share a fate.
struct PageFateRun {
  PageFate fate = PageFate::kHole;
  uint64_t pages = 1;
};

// What a dump says of itself. Empty where the format has no room for it.
struct DumpIdentity {
  std::string dump_id;   // 32 hex digits
  std::string crash_id;  // 32 hex digits
  std::string tool;      // program and version that wrote it
  std::string source;    // format() of what it was made of
};

// Read(), FateFrom() and Borrow() are safe from several threads.
class MemorySource : public PhysReader {
 public:
  ~MemorySource() override = default;

  virtual std::string_view format() const = 0;  // "device", "elf", "vmcore", "kdump", "hmem"
  virtual const std::string& path() const = 0;
  virtual uint16_t elf_machine() const = 0;  // EM_*
  virtual int word_bytes() const = 0;
  virtual Endian endian() const = 0;
  virtual uint32_t page_bytes() const = 0;

  // Ranges that were RAM of the old kernel: sorted, disjoint, page-aligned outwards.
  virtual std::span<const PhysRange> ram() const = 0;
  virtual std::span<const Note> notes() const = 0;
  virtual std::span<const VirtSegment> virt_segments() const { return {}; }
  virtual DumpIdentity identity() const { return {}; }
  // How memory is read and by which figures that was chosen, for people; empty where there is only
  // one way.
  virtual std::string AccessText() const { return {}; }

  // The bytes of a range where they lie: mapped by the kernel, so that they take no memory beside
  // the old kernel's, and gone over once, so that all of them can be read. They stay as long as the
  // source. Nothing: Read() them.
  virtual std::optional<std::span<const std::byte>> Borrow(PhysRange) const { return std::nullopt; }

  // The serialised FirstFailure message that travels in the dump; empty where there is none.
  virtual std::span<const std::byte> first_failure() const { return {}; }

  // The fate of `pfn` and how many pages from there on share it: at least 1, at most `most_pages`
  // (not 0). The run behind may have the same fate. Its cost does not grow with the pages of a hole
  // or of a missing stretch, so that whoever steps by runs gets through any map.
  virtual PageFateRun FateFrom(Pfn pfn, uint64_t most_pages) const = 0;
  PageFate FateOf(Pfn pfn) const { return FateFrom(pfn, 1).fate; }

  // True when nothing is missing that was not left out on purpose. What is missing is in
  // findings().
  virtual bool complete() const = 0;
  // Met while opening. A reader that resynchronised, a segment that overlaps, a file that ends
  // early.
  virtual const Findings& findings() const = 0;

  // Reads everything the dump holds and checks every digest there is; adds a finding for each thing
  // wrong or missing, naming its place (file offset, pfn range); what findings() has is among them.
  // Fails only when the file itself cannot be read.
  virtual Status Verify(Findings& findings) const = 0;
};

struct OpenOptions {
  // Pages of /proc/vmcore mapped at a time; small enough for a 64 MiB capture kernel.
  uint64_t map_window_bytes = 4 << 20;
};

// Opens whatever is at `path`: a character device by what it answers, all else by content; the
// parts of a split dump as one, from their names with commas in between. Three
// answers when it cannot: kUnsupported ("not mine": no format knows the bytes; or known and not
// handled, which names the format and the feature), kCorrupt or kTruncated ("mine but broken"),
// kIo.
Result<std::unique_ptr<MemorySource>> Open(const std::string& path,
                                           const OpenOptions& options = {});

}  // namespace hmem::source
