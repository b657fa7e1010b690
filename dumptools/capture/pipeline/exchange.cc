// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/exchange.h"

#include "dumptools/capture/target/flattened_sink.h"
#include "dumptools/capture/writer/elf_writer.h"
#include "dumptools/capture/writer/kdump_writer.h"

namespace hmem::capture {
namespace {

bool IsElf(DumpFormat format) {
  return format == DumpFormat::kElf || format == DumpFormat::kFlatElf;
}

bool IsFlattened(DumpFormat format, const PositionedSink& positioned) {
  return format == DumpFormat::kFlat || format == DumpFormat::kFlatElf ||
         (format == DumpFormat::kKdump && !positioned.can_go_back());
}

Result<CaptureOutcome> Capture(const source::MemorySource& source, const ScanFactory& scans,
                               PositionedSink& sink, uint64_t max_bytes,
                               const ExchangeOptions& options, Findings& findings) {
  if (IsElf(options.format))
    return CaptureElf(source, scans, sink, max_bytes, options.pipeline, findings);
  return CaptureKdump(source, scans, sink,
                      {.codec = options.compression.codec,
                       .level = options.compression.level,
                       .dump_level = options.dump_level,
                       .max_bytes = max_bytes},
                      options.pipeline, findings);
}

}  // namespace

Result<CaptureOutcome> CaptureExchange(const source::MemorySource& source, const ScanFactory& scans,
                                       DumpSink& appending, PositionedSink& positioned,
                                       const ExchangeOptions& options, Findings& findings) {
  if (!IsFlattened(options.format, positioned))
    return Capture(source, scans, positioned, options.max_bytes, options, findings);

  // The stream has more bytes than the dump, and keeps to the limit itself.
  FlattenedSink flattened(appending, options.max_bytes);
  HMEM_ASSIGN(CaptureOutcome outcome,
              Capture(source, scans, flattened, ~uint64_t{0}, options, findings));
  if (outcome.reason != v1::DumpEnd::REASON_WRITE_ERROR) {
    if (Status finished = flattened.Finish(); !finished) {
      outcome.reason = v1::DumpEnd::REASON_WRITE_ERROR;
      outcome.write_error = finished.error();
    }
  }
  outcome.stream_bytes = flattened.stream_bytes();
  return outcome;
}

}  // namespace hmem::capture
