// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/pipeline/exchange.h"

#include "dumptools/capture/target/flattened_sink.h"
#include "dumptools/capture/writer/elf_writer.h"
#include "dumptools/capture/writer/kdump_writer.h"

namespace hmem::capture {
namespace {

bool IsFlattened(DumpFormat format, const PositionedSink& positioned) {
  return format == DumpFormat::kFlat || (format == DumpFormat::kKdump && !positioned.can_go_back());
}

}  // namespace

Result<CaptureOutcome> CaptureExchange(const source::MemorySource& source, const ScanFactory& scans,
                                       DumpSink& appending, PositionedSink& positioned,
                                       const ExchangeOptions& options, Findings& findings) {
  if (options.format == DumpFormat::kElf) {
    return CaptureElf(source, scans, positioned, options.max_bytes, options.pipeline, findings);
  }
  const KdumpOptions kdump{.codec = options.compression.codec,
                           .level = options.compression.level,
                           .dump_level = options.dump_level,
                           .max_bytes = options.max_bytes};
  if (!IsFlattened(options.format, positioned))
    return CaptureKdump(source, scans, positioned, kdump, options.pipeline, findings);

  FlattenedSink flattened(appending);
  HMEM_ASSIGN(CaptureOutcome outcome,
              CaptureKdump(source, scans, flattened, kdump, options.pipeline, findings));
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
