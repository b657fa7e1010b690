// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/makers/hmem_maker.h"

#include <algorithm>
#include <random>
#include <span>

#include "dumptools/capture/filter/whole_scan.h"

namespace hmem::makers {

void FillMachine(fakes::FakeSource& source) {
  source.AddVmcoreinfo("OSRELEASE=6.1.0-made\nPAGESIZE=4096\nCRASHTIME=1700000000\n");
  std::vector<std::byte> status(336, std::byte{7});
  source.AddNote("CORE", 1, status);
  source.segments.push_back({.virt = {VirtAddr(0xffff888000100000), VirtAddr(0xffff888000300000)},
                             .phys = PhysAddr(0x100000)});
  std::mt19937_64 random(42);
  constexpr uint64_t kPage = 4096;
  for (PhysRange range : {PhysRange{PhysAddr(0x100000), PhysAddr(0x300000)},
                          PhysRange{PhysAddr(0x1000000), PhysAddr(0x1180000)}}) {
    for (PhysAddr addr = range.start; addr < range.end; addr = addr + kPage) {
      std::vector<std::byte> page(kPage);
      for (size_t at = 0; at < kPage; at += 8) {
        switch ((addr.value / kPage) % 5) {
          case 1:
            Store(&page[at], uint64_t{0x206c617574786574}, Endian::kLittle);  // "textual "
            break;
          case 2:
            Store(&page[at], random(), Endian::kLittle);
            break;
          case 4:
            Store(&page[at], addr.value, Endian::kLittle);
            break;
          default:  // zero
            break;
        }
      }
      source.memory.Write(addr, page);
    }
  }
}

Result<capture::CaptureOutcome> CaptureWhole(const source::MemorySource& source,
                                             capture::HmemWriter& writer,
                                             const capture::CaptureOptions& options,
                                             Findings& findings) {
  capture::WholeScan scan(source);
  capture::Tier tier{.number = 0, .scan = &scan};
  return capture::CapturePages(source, std::span(&tier, 1), writer, options, findings);
}

Result<capture::CaptureOutcome> CapturePlanned(const source::MemorySource& source,
                                               const capture::ScanRequest& request,
                                               capture::DumpSink& sink, Findings& findings) {
  capture::CaptureOptions options{
      .by_value = request.by_value,
      .pipeline = {.keep_zero = request.filter.keeps_zero()},
  };
  HMEM_ASSIGN(options.codec, codec::FindCodec("none"));
  walk::LazyKernel kernel(source);
  capture::ScanPlan plan(source, kernel, request, findings);
  kernel.Close();
  capture::HmemWriter writer(sink, {.dump_id = {std::byte{1}}});
  HMEM_TRY(writer.AppendHeader(capture::MakeDumpHeader(source, options)));
  return capture::CapturePages(source, plan.Tiers(), writer, options, findings);
}

Result<capture::CaptureOutcome> MakeHmem(const source::MemorySource& source,
                                         const HmemMaking& making, capture::DumpSink& sink,
                                         Findings& findings) {
  capture::CaptureOptions options{.pipeline = {.jobs = making.jobs,
                                               .keep_zero = making.keep_zero,
                                               .take_memory = making.take_memory}};
  HMEM_ASSIGN(options.codec, codec::FindCodec(making.codec));
  capture::HmemWriter writer(sink, {.dump_id = making.dump_id,
                                    .attempt = making.attempt,
                                    .chunk_bytes_max = making.chunk_bytes_max,
                                    .max_bytes = making.max_bytes,
                                    .start = {}});
  v1::DumpHeader header = capture::MakeDumpHeader(source, options);
  header.set_tool("maker");
  header.mutable_identity()->set_crash_id("00112233445566778899aabbccddeeff");
  HMEM_TRY(writer.AppendHeader(header));
  if (!making.record.empty())
    HMEM_TRY(writer.AppendFirstFailure(std::as_bytes(std::span(making.record))));
  HMEM_TRY(writer.Flush());
  return CaptureWhole(source, writer, options, findings);
}

std::vector<std::byte> HmemBytes(const source::MemorySource& source, const HmemMaking& making) {
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = MakeHmem(source, making, sink, findings);
  return outcome ? sink.bytes : std::vector<std::byte>();
}

std::vector<FrameSpan> FramesOf(std::span<const std::byte> stream) {
  std::vector<FrameSpan> frames;
  for (uint64_t at = 0; at < stream.size();) {
    auto header = format::DecodeFrameHeader(stream.subspan(at));
    if (!header) break;
    frames.push_back({at, *header});
    at += header->total_bytes();
  }
  return frames;
}

void Reseal(std::vector<std::byte>& stream, uint64_t offset, format::FrameHeader header) {
  auto bytes = std::span(stream).subspan(offset);
  header.payload_xxh3 =
      format::PayloadDigest(bytes.subspan(format::kFrameHeaderBytes, header.stored_bytes));
  format::EncodeFrameHeader(header, bytes.first<format::kFrameHeaderBytes>());
}

std::vector<std::byte> WithEnd(std::vector<std::byte> stream, const v1::DumpEnd& end) {
  for (const FrameSpan& frame : FramesOf(stream)) {
    if (frame.header.type != format::FrameType::kEnd) continue;
    std::string payload = end.SerializeAsString();
    format::FrameHeader header = frame.header;
    header.stored_bytes = header.raw_bytes = static_cast<uint32_t>(payload.size());
    stream.resize(frame.offset + header.total_bytes());
    std::ranges::copy(
        std::as_bytes(std::span(payload)),
        stream.begin() + static_cast<ptrdiff_t>(frame.offset + format::kFrameHeaderBytes));
    Reseal(stream, frame.offset, header);
    break;
  }
  return stream;
}

}  // namespace hmem::makers
