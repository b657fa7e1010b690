// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/capture.h"

#include <vector>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/capture/writer/hmem_page_writer.h"
#include "dumptools/firstfailure/encode.h"
#include "hmem/format/elf_note.h"

namespace hmem::capture {

v1::DumpHeader MakeDumpHeader(const source::MemorySource& source, const CaptureOptions& options) {
  v1::DumpHeader header;
  header.set_format_version(format::kHmemFormatVersion);
  header.set_elf_machine(source.elf_machine());
  header.set_word_bytes(static_cast<uint32_t>(source.word_bytes()));
  header.set_big_endian(source.endian() == Endian::kBig);
  header.set_page_bytes(source.page_bytes());
  for (const PhysRange& range : source.ram()) {
    auto& out = *header.add_ram();
    out.set_start(range.start.value);
    out.set_end(range.end.value);
  }
  for (const source::VirtSegment& segment : source.virt_segments()) {
    auto& out = *header.add_virtual_segments();
    out.set_virt_start(segment.virt.start.value);
    out.set_virt_end(segment.virt.end.value);
    out.set_phys(segment.phys.value);
  }
  for (int i = 0; i < kPageClasses; ++i)
    header.add_excluded_classes(std::string(PageClassName(static_cast<PageClass>(i))));
  header.set_codec(std::string(options.codec->name));
  header.set_chunk_digest("xxh3-128");
  header.set_order(options.by_value ? "value" : "address");
  header.set_source(std::string(source.format()));
  return header;
}

Result<CaptureOutcome> CapturePages(const source::MemorySource& source, std::span<const Tier> tiers,
                                    HmemWriter& writer, const CaptureOptions& options,
                                    Findings& findings) {
  CaptureOutcome outcome;
  HmemPageWriter pages(writer, *options.codec, options.level);
  std::vector<std::byte> notes = format::SerializeNotes(source.notes(), source.endian());
  if (Status status = writer.AppendNotes(notes); !status) {
    outcome.ram_pages = CountRamPages(source);
    outcome.reason = ReasonOfWriteError(status.error());
    if (outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) outcome.write_error = status.error();
  } else {
    HMEM_TRY(RunPipeline(source, tiers, pages, options.pipeline, outcome, findings));
  }
  if (outcome.reason != v1::DumpEnd::REASON_WRITE_ERROR) {
    if (Status status = pages.WriteFates(); !status) {
      outcome.reason = ReasonOfWriteError(status.error());
      if (outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) outcome.write_error = status.error();
    }
  }
  for (const format::FateRun& run : pages.unwritten()) outcome.counts.Lose(run);
  outcome.counts.missing = outcome.ram_pages - (outcome.counts.all() - outcome.counts.missing);
  if (outcome.reason == v1::DumpEnd::REASON_COMPLETE && outcome.counts.missing != 0)
    outcome.reason = v1::DumpEnd::REASON_SOURCE_CUT;
  outcome.stream_bytes = writer.offset();
  if (outcome.reason == v1::DumpEnd::REASON_WRITE_ERROR) return outcome;

  v1::DumpEnd end;
  end.set_reason(outcome.reason);
  end.set_pages_kept(outcome.counts.kept);
  end.set_pages_zero(outcome.counts.zero);
  end.set_pages_excluded(outcome.counts.excluded);
  end.set_pages_unreadable(outcome.counts.unreadable);
  end.set_pages_not_reached(outcome.counts.missing);
  Findings told = source.findings();
  told.Merge(findings);
  firstfailure::EncodeFindings(told, end.mutable_findings());
  Status finished = Timed(outcome.times.sync, [&] { return writer.Finish(std::move(end)); });
  if (!finished) {
    outcome.reason = v1::DumpEnd::REASON_WRITE_ERROR;
    outcome.write_error = finished.error();
  }
  outcome.stream_bytes = writer.offset();
  return outcome;
}

}  // namespace hmem::capture
