// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <sodium.h>

#include <charconv>
#include <memory>
#include <optional>
#include <span>

#include "dumptools/capture/filter/whole_scan.h"
#include "dumptools/capture/pipeline/capture.h"
#include "dumptools/capture/pipeline/exchange.h"
#include "dumptools/capture/target/file_target.h"
#include "dumptools/capture/writer/first_chunk.h"
#include "dumptools/report/text/convert_text.h"
#include "dumptools/tools/hmemscope/answer.h"
#include "dumptools/tools/hmemscope/command.h"

namespace hmem::hmemscope {
namespace {

using capture::CaptureOutcome;
using capture::DumpFormat;
using capture::FileTarget;
using v1::DumpEnd;

constexpr unsigned kMaxJobs = 64;

struct Request {
  DumpFormat format = DumpFormat::kHmem;
  capture::Compression compression;
  unsigned jobs = 1;
};

Result<Request> ToRequest(const Invocation& invocation) {
  Request request;
  if (std::string name = invocation.Value("--format"); !name.empty()) {
    HMEM_ASSIGN(request.format, Within("--format", capture::FindDumpFormat(name)));
  }
  auto compression = capture::ParseCompression(invocation.Value("--compress"), request.format);
  if (!compression)  // a codec that this format does not have is a wrong word, too
    return Fail(ErrorCode::kInvalidArgument, "--compress: " + compression.error().ToString());
  request.compression = *compression;
  if (std::string text = invocation.Value("--jobs"); !text.empty()) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), request.jobs);
    if (error != std::errc() || end != text.data() + text.size() || request.jobs > kMaxJobs) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--jobs: \"{}\": not from 0 to {}", text, kMaxJobs));
    }
  }
  return request;
}

// The record that travels in the dump goes along.
Result<CaptureOutcome> WriteHmem(const OpenedDump& dump, const source::MemorySource& source,
                                 const Request& request, capture::DumpSink& sink,
                                 Findings& findings) {
  if (::sodium_init() < 0) return Fail(ErrorCode::kIo, "no random numbers for a dump id");
  auto record = dump.embedded_record();
  if (!record) {
    findings.Add(Severity::kLoss, "convert.record-bad", "", record.error().ToString());
    record = std::optional<v1::FirstFailure>();
  }
  std::optional<capture::RecordView> view;
  if (*record) view.emplace(**record, source.first_failure());
  const capture::CaptureOptions options{.codec = request.compression.codec,
                                        .level = request.compression.level,
                                        .pipeline = {.jobs = request.jobs}};
  capture::HmemWriter writer(sink, {.dump_id = capture::NewDumpId()});
  HMEM_TRY(capture::WriteFirstChunk(source, options, view, "hmemscope " HMEM_VERSION, writer));
  capture::WholeScan scan(source);
  const capture::Tier tier{.number = 0, .scan = &scan};
  return capture::CapturePages(source, std::span(&tier, 1), writer, options, findings);
}

Result<CaptureOutcome> WriteTo(FileTarget& target, const OpenedDump& dump,
                               const source::MemorySource& source, const Request& request,
                               Findings& findings) {
  if (request.format == DumpFormat::kHmem)
    return WriteHmem(dump, source, request, target.sink(), findings);
  if (!source.first_failure().empty()) {
    findings.Add(Severity::kInfo, "convert.record-left", source.path(),
                 "the first-failure record stays in the dump that was read: only .hmem has room "
                 "for it");
  }
  const capture::ExchangeOptions options{.format = request.format,
                                         .compression = request.compression,
                                         .pipeline = {.jobs = request.jobs}};
  return capture::CaptureExchange(
      source, [&source] { return std::make_unique<capture::WholeScan>(source); }, target.sink(),
      target.sink().positioned(), options, findings);
}

void Fill(const CaptureOutcome& outcome, v1::ConvertReport& report) {
  report.set_reason(outcome.reason);
  report.set_pages_ram(outcome.ram_pages);
  report.set_pages_kept(outcome.counts.kept);
  report.set_pages_zero(outcome.counts.zero);
  report.set_pages_excluded(outcome.counts.excluded);
  report.set_pages_unreadable(outcome.counts.unreadable);
  report.set_pages_not_reached(outcome.counts.missing);
  report.set_bytes(outcome.stream_bytes);
}

Result<Answer> Run(OpenedDump& dump, const Invocation& invocation) {
  HMEM_ASSIGN(const Request request, ToRequest(invocation));
  HMEM_ASSIGN(const source::MemorySource* source, dump.source());
  const std::string& out = invocation.arguments.front();
  HMEM_ASSIGN(FileTarget target, FileTarget::Create(out));
  Findings findings;
  auto outcome = WriteTo(target, dump, *source, request, findings);
  if (!outcome) {
    target.Discard();  // nothing of use is there
    return std::unexpected(outcome.error());
  }
  if (outcome->reason == DumpEnd::REASON_WRITE_ERROR) {
    (void)target.Leave();  // what is there opens; the error is told
    return std::unexpected(outcome->write_error->Within(target.present_path()));
  }
  HMEM_TRY(target.Commit());
  if (outcome->reason != DumpEnd::REASON_COMPLETE) {
    const bool cut = outcome->reason == DumpEnd::REASON_SOURCE_CUT;
    findings.Add(Severity::kLoss, "convert.incomplete",
                 cut ? source->path() : target.present_path(),
                 cut ? "the dump that was read is cut"
                     : "the target was full; the dump that was made ends before its last page");
  }
  v1::ConvertReport report;
  *report.mutable_origin() = dump.origin();
  report.set_path(target.present_path());
  report.set_format(std::string(capture::DumpFormatName(request.format)));
  report.set_codec(std::string(request.compression.codec->name));
  Fill(*outcome, report);
  dump.EncodeFindings(findings, "convert", report.mutable_findings());
  return MakeAnswer(report, report::Text(report), report.findings(), FindingsIn::kText);
}

}  // namespace

const Command& ConvertCommand() {
  static constexpr Flag kFlags[] = {
      {"--format", "-F", "FORMAT", "hmem (default), kdump, elf; flattened: flat (kdump), flat-elf"},
      {"--compress", "-c", "CODEC",
       "hmem: lz4 (default), zstd; kdump, flat: lzo (default), zlib, snappy, zstd; or none; "
       ":LEVEL may stand behind lz4, zstd, zlib"},
      {"--jobs", "-j", "N", "threads that compress (default 1); 0: none but the one that writes"}};
  static constexpr Argument kArguments[] = {
      {"OUT", "the file to make; one that exists is not overwritten", 1, 1}};
  static constexpr Command kCommand = {
      "convert", "the dump in another format, or packed another way", kFlags, kArguments, Run};
  return kCommand;
}

}  // namespace hmem::hmemscope
