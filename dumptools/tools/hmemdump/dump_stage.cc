// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/dump_stage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "dumptools/capture/order/scan_plan.h"
#include "dumptools/capture/pipeline/batch_set.h"
#include "dumptools/capture/pipeline/capture.h"
#include "dumptools/capture/pipeline/exchange.h"
#include "dumptools/capture/pipeline/memory_budget.h"
#include "dumptools/capture/target/device_target.h"
#include "dumptools/capture/target/fd_sink.h"
#include "dumptools/capture/target/file_target.h"
#include "dumptools/capture/target/null_sink.h"
#include "dumptools/capture/writer/first_chunk.h"
#include "dumptools/capture/writer/hmem_writer.h"
#include "dumptools/firstfailure/record_store.h"
#include "dumptools/tools/hmemdump/fault.h"
#include "dumptools/tools/hmemdump/record_stage.h"
#include "hmem/base/fd.h"

namespace hmem::dump {

using capture::BegunStream;
using capture::CaptureOptions;
using capture::FdSink;
using capture::HmemWriter;
using v1::DumpEnd;

namespace {

// A flush costs a disk some milliseconds, and a power cut then costs a second of the dump.
constexpr std::chrono::seconds kFlushEvery{1};

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Status WriteFirstChunk(const source::MemorySource& source, const CaptureOptions& options,
                       const std::optional<Record>& record, HmemWriter& writer) {
  std::optional<capture::RecordView> view;
  if (record) view.emplace(record->message, AsBytes(record->bytes));
  return capture::WriteFirstChunk(source, options, view, "hmemdump " HMEM_VERSION, writer);
}

Result<CaptureOptions> MakeCaptureOptions(const Options& options) {
  CaptureOptions capture{.level = options.level,
                         .pipeline = {.jobs = options.jobs,
                                      .keep_zero = options.filter.keeps_zero(),
                                      .flush_every = kFlushEvery}};
  HMEM_ASSIGN(capture.codec, codec::FindCodec(options.codec));
  return capture;
}

// The workers and the codec that there is memory for, now that everything else has its own.
Result<capture::MemoryBudget> FitIntoMemory(const source::MemorySource& source,
                                            const Options& options, CaptureOptions& capture,
                                            Findings& findings) {
  const bool by_page = options.format != capture::DumpFormat::kHmem;
  const capture::MemoryBudget budget = capture::DecideMemory(
      {.limit_bytes = options.memory_limit_bytes,
       .workers = capture::WorkersFor(options.jobs),
       .codec = capture.codec,
       .level = capture.level,
       .page_bytes = source.page_bytes(),
       .block_bytes = by_page ? source.page_bytes() : uint32_t{format::kBlockRawBytes}},
      capture::ReadProcessMemory(), findings);
  capture.pipeline.jobs = budget.workers;
  capture.pipeline.spare_batches = budget.spare_batches;
  if (!budget.compress) {
    HMEM_ASSIGN(capture.codec, codec::FindCodec("none"));
  }
  return budget;
}

struct ObtainedRecord {
  std::optional<Record> record;  // nothing, with a finding, when none can be had
  bool beside = false;           // it stands beside the dump already
};

// --record, the one that an earlier stage left beside the dump, the one in the source; else one is
// built, unless --no-record. What the source says of itself is in `findings` afterwards.
ObtainedRecord ObtainRecord(const source::MemorySource& source, walk::LazyKernel& kernel,
                            const Options& options, const Target& target, Findings& findings) {
  auto give_up = [&](const Error& error) {
    findings.Add(Severity::kLoss, "record.none", "",
                 fmt::format("no first-failure record: {}", error.ToString()));
  };
  auto found = [&](Record record, bool beside) {
    findings.Merge(source.findings());
    return ObtainedRecord{.record = std::move(record), .beside = beside};
  };
  if (!options.record_path.empty()) {
    auto record = ReadRecordFile(options.record_path);
    if (record) return found(*std::move(record), false);
    give_up(record.error());
    findings.Merge(source.findings());
    return {};
  }
  if (!target.record_path.empty() && ::access(target.record_path.c_str(), F_OK) == 0) {
    auto record = ReadRecordFile(target.record_path);
    if (record && SameCrash(record->message, source)) return found(*std::move(record), true);
  }
  if (!source.first_failure().empty()) {
    auto record = ParseRecord(source.first_failure(), source.path());
    if (record) return found(*std::move(record), false);
    findings.Add(Severity::kLoss, "record.damaged", source.path(), record.error().ToString());
  }
  if (target.kind ==
      TargetKind::kNowhere) {  // nobody would have it, and a live kernel has no crash
    findings.Merge(source.findings());
    return {};
  }
  if (options.no_record) {
    findings.Merge(source.findings());
    findings.Add(Severity::kLoss, "record.none", "",
                 "no first-failure record: none is there, and --no-record builds none");
    return {};
  }
  auto record = BuildRecord(source, kernel,
                            {.identity_path = options.identity_path,
                             .dump_path = DumpPathInRecord(target),
                             .dump_id = capture::NewDumpId()},
                            findings);
  if (record) return {.record = *std::move(record)};
  give_up(record.error());
  return {};
}

// Beside the dump; by another name where the record of another crash has that one.
std::string StoreRecord(const Record& record, const Target& target, Findings& findings) {
  std::string path = target.record_path;
  if (::access(path.c_str(), F_OK) == 0)
    path = target.dump_path + "." + std::string(firstfailure::kRecordFileName);
  if (auto written = firstfailure::WriteRecordBytes(path, record.bytes); !written) {
    findings.Add(Severity::kLoss, "record.not-written", path, written.error().ToString());
    return {};
  }
  return path;
}

void WarnOfSpace(const source::MemorySource& source, const Target& target, Findings& findings) {
  auto free = capture::FreeBytes(target.dump_path);
  if (!free) return;
  uint64_t ram = 0;
  for (const PhysRange& range : source.ram()) ram += range.size();
  if (*free >= ram) return;
  findings.Add(
      Severity::kInfo, "target.space", target.dump_path,
      fmt::format("{} MiB free for {} MiB of memory: it may not fit uncompressed; going on",
                  *free >> 20, ram >> 20));
}

capture::Overwrite AllowedBy(const Options& options) {
  if (options.overwrite_device) return capture::Overwrite::kAnything;
  return options.overwrite_dump ? capture::Overwrite::kDump : capture::Overwrite::kNothing;
}

// What a dry run of the record stage can tell.
Status MayStoreRecord(const Target& target, const Options& options) {
  switch (target.kind) {
    case TargetKind::kDirectory:
    case TargetKind::kFile:
      return capture::MayMakeFile(target.record_path);
    case TargetKind::kDevice: {
      HMEM_ASSIGN(auto sink, capture::OpenDevice(target.path, AllowedBy(options), 0));
      return sink->Close();
    }
    case TargetKind::kStream:
    case TargetKind::kNowhere:
      break;
  }
  return {};
}

// Reads the dump again, from the disk and not from the page cache.
Status VerifyDump(const std::string& path, Findings& findings) {
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  HMEM_ASSIGN(auto dump, source::Open(path));
  return dump->Verify(findings);
}

// Going on with a stream of this crash loses only what an attempt left that did not come to its
// end; a finished dump needs leave like any other.
Result<capture::Overwrite> AllowedToGoOn(const Target& target, const Options& options,
                                         const BegunStream& begun) {
  if (AllowedBy(options) == capture::Overwrite::kNothing) {
    HMEM_ASSIGN(bool ended, capture::HasEnd(target.path, begun.dump_id));
    if (ended) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: holds a finished dump of this crash; --overwrite-dump writes "
                              "over it",
                              target.path));
    }
  }
  return capture::Overwrite::kAnything;
}

// END, or the name that says it is there, is not known to be durable.
void NoteLoss(const Status& status, capture::CaptureOutcome& outcome) {
  if (status) return;
  outcome.reason = DumpEnd::REASON_WRITE_ERROR;
  outcome.write_error = status.error();
}

class DumpRun {
 public:
  // `findings` are of record and target, `dump_findings` of the memory: only these go into END, so
  // that a dump which has every page stays complete whatever its record lacks.
  DumpRun(const source::MemorySource& source, const Options& options, const Target& target,
          CaptureOptions capture, capture::ScanPlan& plan, Findings& findings,
          Findings& dump_findings)
      : source_(source),
        options_(options),
        target_(target),
        capture_(std::move(capture)),
        plan_(plan),
        progress_(options.progress),
        findings_(findings),
        dump_findings_(dump_findings) {
    capture_.pipeline.progress = [this](const capture::PageCounts& counts, uint64_t pages,
                                        uint64_t bytes) {
      progress_.Show(counts, pages, bytes);
      if (counts.all() * 4 >= pages) ObeyFault();
    };
  }

  Result<DumpResult> ToHmem(DumpResult result, const std::optional<Record>& record);
  Result<DumpResult> ToExchange(DumpResult result);

 private:
  Result<capture::CaptureOutcome> Stream(capture::DumpSink& sink,
                                         capture::HmemWriterOptions options,
                                         const std::optional<Record>& record, bool begun);
  Status ToFile(DumpResult& result, const std::optional<Record>& record,
                capture::HmemWriterOptions writer);
  Status ToDevice(DumpResult& result, const std::optional<Record>& record,
                  capture::HmemWriterOptions writer);
  Result<capture::CaptureOutcome> Exchange(capture::DumpSink& appending,
                                           capture::PositionedSink& positioned);

  const source::MemorySource& source_;
  const Options& options_;
  const Target& target_;
  CaptureOptions capture_;
  capture::ScanPlan& plan_;
  ProgressPrinter progress_;
  Findings& findings_;
  Findings& dump_findings_;
};

Result<capture::CaptureOutcome> DumpRun::Stream(capture::DumpSink& sink,
                                                capture::HmemWriterOptions writer_options,
                                                const std::optional<Record>& record, bool begun) {
  HmemWriter writer(sink, writer_options);
  if (!begun) HMEM_TRY(WriteFirstChunk(source_, capture_, record, writer));
  auto outcome = capture::CapturePages(source_, plan_.Tiers(), writer, capture_, dump_findings_);
  progress_.Finish();
  return outcome;
}

Status DumpRun::ToFile(DumpResult& result, const std::optional<Record>& record,
                       capture::HmemWriterOptions writer) {
  if (options_.dry_run) {
    HMEM_TRY(capture::FileTarget::MayCreate(target_.dump_path));
    capture::NullSink nowhere;
    HMEM_ASSIGN(result.outcome, Stream(nowhere, writer, record, false));
    return {};
  }
  HMEM_ASSIGN(auto target, capture::FileTarget::Create(target_.dump_path));
  auto outcome = Stream(target.sink(), writer, record, false);
  if (!outcome) {
    target.Discard();  // not even HEADER and record are there
    return std::unexpected(outcome.error());
  }
  result.outcome = *std::move(outcome);
  if (result.outcome.reason == DumpEnd::REASON_WRITE_ERROR) {
    // What is there opens; the outcome carries the error, which closing could only repeat.
    (void)target.Leave();
  } else {
    NoteLoss(capture::Timed(result.outcome.times.sync, [&] { return target.Commit(); }),
             result.outcome);
  }
  result.path = target.present_path();
  return {};
}

Status DumpRun::ToDevice(DumpResult& result, const std::optional<Record>& record,
                         capture::HmemWriterOptions writer) {
  HMEM_ASSIGN(auto begun, FindOwnStream(target_.path, source_));
  capture::Overwrite allowed = AllowedBy(options_);
  if (begun) {
    HMEM_ASSIGN(allowed, AllowedToGoOn(target_, options_, *begun));
    writer.dump_id = begun->dump_id;
    writer.attempt = begun->next_attempt;
    writer.start = begun->position;
  }
  HMEM_ASSIGN(auto sink, capture::OpenDevice(target_.path, allowed, writer.start.offset));
  result.dump_id = format::DumpIdText(writer.dump_id);
  result.path = target_.path;
  if (options_.dry_run) {
    capture::NullSink nowhere;
    HMEM_ASSIGN(result.outcome, Stream(nowhere, writer, record, begun.has_value()));
    return {};
  }
  HMEM_ASSIGN(result.outcome, Stream(*sink, writer, record, begun.has_value()));
  if (result.outcome.reason != DumpEnd::REASON_WRITE_ERROR) {
    NoteLoss(capture::Timed(result.outcome.times.sync, [&] { return sink->Close(); }),
             result.outcome);
  }
  return {};
}

Result<DumpResult> DumpRun::ToHmem(DumpResult result, const std::optional<Record>& record) {
  capture::HmemWriterOptions writer{.max_bytes = options_.max_bytes, .start = {}};
  writer.dump_id = record && record->dump_id() ? *record->dump_id() : capture::NewDumpId();
  result.dump_id = format::DumpIdText(writer.dump_id);
  result.path = target_.dump_path;
  switch (target_.kind) {
    case TargetKind::kDirectory:
    case TargetKind::kFile:
      WarnOfSpace(source_, target_, findings_);
      HMEM_TRY(ToFile(result, record, writer));
      break;
    case TargetKind::kDevice:
      HMEM_TRY(ToDevice(result, record, writer));
      break;
    case TargetKind::kStream: {
      capture::NullSink nowhere;
      FdSink sink(UniqueFd(::dup(STDOUT_FILENO)), FdSink::Kind::kStream, target_.dump_path, 0);
      capture::DumpSink& chosen =
          options_.dry_run ? static_cast<capture::DumpSink&>(nowhere) : sink;
      HMEM_ASSIGN(result.outcome, Stream(chosen, writer, record, false));
      break;
    }
    case TargetKind::kNowhere: {
      capture::NullSink nowhere;
      HMEM_ASSIGN(result.outcome, Stream(nowhere, writer, record, false));
      break;
    }
  }
  if (options_.verify && result.outcome.reason != DumpEnd::REASON_WRITE_ERROR)
    HMEM_TRY(VerifyDump(result.path, dump_findings_));
  return result;
}

Result<capture::CaptureOutcome> DumpRun::Exchange(capture::DumpSink& appending,
                                                  capture::PositionedSink& positioned) {
  const capture::ExchangeOptions exchange{
      .format = options_.format,
      .compression = {.codec = capture_.codec, .level = capture_.level},
      .dump_level = static_cast<uint32_t>(options_.filter.level()),
      .max_bytes = options_.max_bytes,
      .pipeline = capture_.pipeline};
  auto outcome = capture::CaptureExchange(
      source_, [this] { return plan_.AddressOrder(); }, appending, positioned, exchange,
      dump_findings_);
  progress_.Finish();
  return outcome;
}

Result<DumpResult> DumpRun::ToExchange(DumpResult result) {
  result.path = target_.dump_path;
  capture::NullSink nowhere;
  switch (target_.kind) {
    case TargetKind::kDirectory:
    case TargetKind::kFile: {
      WarnOfSpace(source_, target_, findings_);
      if (options_.dry_run) {
        HMEM_TRY(capture::FileTarget::MayCreate(target_.dump_path));
        HMEM_ASSIGN(result.outcome, Exchange(nowhere, nowhere));
        break;
      }
      HMEM_ASSIGN(auto target, capture::FileTarget::Create(target_.dump_path));
      auto outcome = Exchange(target.sink(), target.sink().positioned());
      if (!outcome) {
        target.Discard();  // nothing of use is there
        return std::unexpected(outcome.error());
      }
      result.outcome = *std::move(outcome);
      if (result.outcome.reason == DumpEnd::REASON_WRITE_ERROR) {
        (void)target.Leave();  // the outcome carries the error, which closing could only repeat
      } else {
        NoteLoss(capture::Timed(result.outcome.times.sync, [&] { return target.Commit(); }),
                 result.outcome);
      }
      result.path = target.present_path();
      break;
    }
    case TargetKind::kDevice: {
      HMEM_ASSIGN(auto sink, capture::OpenDevice(target_.path, AllowedBy(options_), 0));
      if (options_.dry_run) {
        HMEM_ASSIGN(result.outcome, Exchange(nowhere, nowhere));
        break;
      }
      HMEM_ASSIGN(result.outcome, Exchange(*sink, sink->positioned()));
      if (result.outcome.reason != DumpEnd::REASON_WRITE_ERROR) {
        NoteLoss(capture::Timed(result.outcome.times.sync, [&] { return sink->Close(); }),
                 result.outcome);
      }
      break;
    }
    case TargetKind::kStream: {
      FdSink sink(UniqueFd(::dup(STDOUT_FILENO)), FdSink::Kind::kStream, target_.dump_path, 0);
      if (options_.dry_run) {
        HMEM_ASSIGN(result.outcome, Exchange(nowhere, nowhere));
      } else {
        HMEM_ASSIGN(result.outcome, Exchange(sink, sink.positioned()));
      }
      break;
    }
    case TargetKind::kNowhere:
      HMEM_ASSIGN(result.outcome, Exchange(nowhere, nowhere));
      break;
  }
  if (options_.verify && result.outcome.reason != DumpEnd::REASON_WRITE_ERROR)
    HMEM_TRY(VerifyDump(result.path, dump_findings_));
  return result;
}

}  // namespace

Result<DumpResult> RunRecordStage(const source::MemorySource& source, const Options& options,
                                  const Target& target, Findings& findings) {
  DumpResult result{.page_bytes = source.page_bytes()};
  std::optional<BegunStream> begun;
  if (target.kind == TargetKind::kDevice) {
    HMEM_ASSIGN(begun, FindOwnStream(target.path, source));
  }
  if (begun) {  // writing it again could only lose it
    HMEM_TRY(capture::SyncDevice(target.path));
    findings.Merge(source.findings());
    result.record_path = target.path;
    result.dump_id = format::DumpIdText(begun->dump_id);
    result.crash_id = begun->header.identity().crash_id();
    return result;
  }
  format::DumpId dump_id = capture::NewDumpId();
  walk::LazyKernel kernel(source);
  HMEM_ASSIGN(Record record, BuildRecord(source, kernel,
                                         {.identity_path = options.identity_path,
                                          .dump_path = DumpPathInRecord(target),
                                          .dump_id = dump_id},
                                         findings));
  // A dump stage that is told to fail does so among its pages, with the record made.
  ObeyFault();
  result.dump_id = format::DumpIdText(dump_id);
  result.crash_id = record.message.identity().crash_id();
  result.record_path = target.record_path;
  if (options.dry_run) {
    HMEM_TRY(MayStoreRecord(target, options));
    result.record_path.clear();
    return result;
  }
  switch (target.kind) {
    case TargetKind::kDirectory:
    case TargetKind::kFile:
      HMEM_TRY(firstfailure::WriteRecordBytes(target.record_path, record.bytes));
      break;
    case TargetKind::kStream:
      HMEM_TRY(WriteAll(STDOUT_FILENO, AsBytes(record.bytes), target.dump_path));
      break;
    case TargetKind::kDevice: {
      HMEM_ASSIGN(CaptureOptions capture, MakeCaptureOptions(options));
      capture.by_value = options.by_value;  // as the dump will be that goes on behind it
      HMEM_ASSIGN(auto sink, capture::OpenDevice(target.path, AllowedBy(options), 0));
      HmemWriter writer(*sink, {.dump_id = dump_id});
      HMEM_TRY(WriteFirstChunk(source, capture, record, writer));
      HMEM_TRY(sink->Close());
      result.record_path = target.path;
      break;
    }
    case TargetKind::kNowhere:
      break;
  }
  return result;
}

Result<DumpResult> RunDumpStage(const source::MemorySource& source, const Options& options,
                                const Target& target, std::chrono::steady_clock::time_point start,
                                const std::atomic<bool>& stop, Findings& findings) {
  HMEM_ASSIGN(CaptureOptions capture, MakeCaptureOptions(options));
  capture.pipeline.stop = &stop;
  if (options.deadline_s) {
    capture.pipeline.deadline =
        start + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                    std::chrono::duration<double>(*options.deadline_s));
  }
  DumpResult result{.page_bytes = source.page_bytes(), .dump_made = true};
  walk::LazyKernel kernel(source);
  ObtainedRecord obtained;
  capture::StageTimes times;
  std::optional<BegunStream> begun;
  if (target.kind == TargetKind::kDevice) {
    HMEM_ASSIGN(begun, FindOwnStream(target.path, source));
  }
  if (begun) {
    HMEM_ASSIGN(obtained.record, ParseRecord(begun->record, target.path));
    findings.Merge(source.findings());
  } else {
    obtained = capture::Timed(
        times.record, [&] { return ObtainRecord(source, kernel, options, target, findings); });
  }
  const std::optional<Record>& record = obtained.record;
  if (record) result.crash_id = record->message.identity().crash_id();
  if (record && !obtained.beside && !target.record_path.empty() && !options.dry_run) {
    result.record_path =
        capture::Timed(times.record, [&] { return StoreRecord(*record, target, findings); });
  }
  if (record && target.record_path.empty() && target.kind != TargetKind::kNowhere &&
      options.format != capture::DumpFormat::kHmem) {
    findings.Add(Severity::kInfo, "record.no-room", target.dump_path,
                 "only an .hmem dump has room for the record; --first-failure-only makes it apart");
  }
  std::string record_path = result.record_path;
  Findings dump_findings;
  const auto walk_start = std::chrono::steady_clock::now();
  capture::ScanPlan plan(
      source, kernel,
      {.filter = options.filter,
       .by_value = options.by_value && options.format == capture::DumpFormat::kHmem,
       .classify = options.classify,
       .wanted = options.wanted},
      dump_findings);
  kernel.Close();
  times.walk = std::chrono::steady_clock::now() - walk_start;
  capture.by_value = plan.by_value();
  HMEM_ASSIGN(result.memory, FitIntoMemory(source, options, capture, dump_findings));
  DumpRun run(source, options, target, std::move(capture), plan, findings, dump_findings);
  auto made = options.format == capture::DumpFormat::kHmem ? run.ToHmem(std::move(result), record)
                                                           : run.ToExchange(std::move(result));
  findings.Merge(dump_findings);
  if (made) {
    made->outcome.times.record = times.record;
    made->outcome.times.walk = times.walk;
  }
  if (!made && !record_path.empty())
    return Within(fmt::format("no dump, but a record in {}", record_path), std::move(made));
  return made;
}

}  // namespace hmem::dump
