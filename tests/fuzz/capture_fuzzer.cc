// SPDX-License-Identifier: GPL-2.0-or-later
// A small kernel of which the input overwrites some bytes, and the whole way of a capture over it.
// The input: a byte of options (1 by value, 2 with the memory of a process, 4 nothing left out),
// the length of a VMCOREINFO in two bytes (0: the kernel's own) and that text; then records of a
// byte that says where, three of offset, one of length, and so many bytes.
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <string>

#include "hmem/base/endian.h"
#include "hmem/base/fd.h"
#include "hmem/source/memory_source.h"
#include "tests/fakes/fake_source.h"
#include "tests/makers/hmem_maker.h"
#include "tests/makers/small_kernel.h"

namespace {

using namespace hmem;
using makers::SmallKernel;

// What struct pages, tables and lists of 8 MiB can cost at most; an unbroken kernel takes 300.
constexpr uint64_t kMostReads = 1000000;

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : left_(std::as_bytes(bytes)) {}
  bool empty() const { return left_.empty(); }
  // Zero behind the end.
  uint64_t Number(size_t bytes) {
    std::array<std::byte, 8> value{};
    std::ranges::copy(Bytes(bytes), value.begin());
    return Load<uint64_t>(value.data(), Endian::kLittle);
  }
  std::span<const std::byte> Bytes(size_t bytes) {
    const auto taken = left_.first(std::min(bytes, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }

 private:
  std::span<const std::byte> left_;
};

void Overwrite(SmallKernel& kernel, Input& input) {
  // Every other one is of struct pages.
  const uint64_t which = input.Number(1);
  const PhysRange spot = which % 2 == 0
                             ? SmallKernel::kStructPages
                             : SmallKernel::kSpots[which / 2 % SmallKernel::kSpots.size()];
  const uint64_t offset = input.Number(3) % spot.size();
  const auto bytes = input.Bytes(input.Number(1));
  kernel.memory.memory.Write(spot.start + offset,
                             bytes.first(std::min<uint64_t>(bytes.size(), spot.size() - offset)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const SmallKernel unbroken;
  SmallKernel kernel = unbroken;
  Input input(std::span(data, size));
  const uint64_t options = input.Number(1);
  if (const uint64_t bytes = input.Number(2); bytes != 0) {
    const auto text = input.Bytes(bytes);
    kernel.vmcoreinfo.assign(reinterpret_cast<const char*>(text.data()), text.size());
  }
  while (!input.empty()) Overwrite(kernel, input);

  capture::ScanRequest request{
      .by_value = (options & 1) != 0, .wanted = {}, .walk_time = std::chrono::hours(1)};
  if ((options & 2) != 0) request.wanted.push_back(*capture::Wanted::Parse("task:17"));
  if ((options & 4) == 0) request.filter = *capture::PageFilter::Parse("31");
  fakes::TearingSource counted(kernel.Source());
  fakes::FakeSink sink;
  Findings findings;
  auto outcome = makers::CapturePlanned(counted, request, sink, findings);
  if (!outcome || outcome->reason != v1::DumpEnd::REASON_COMPLETE) std::abort();
  if (counted.reads() > kMostReads) std::abort();

  // Every page of RAM has one fate, and the dump has it.
  if (outcome->counts.all() != SmallKernel::kPages) std::abort();
  UniqueFd fd(::memfd_create("hmem-fuzz", MFD_CLOEXEC));
  if (!fd.valid() || !WriteAll(fd.get(), sink.bytes, "memfd")) std::abort();
  auto dump = source::Open(fmt::format("/proc/self/fd/{}", fd.get()));
  if (!dump || !(*dump)->complete()) std::abort();
  uint64_t kept = 0;
  for (uint64_t pfn = 0; pfn < SmallKernel::kPages; ++pfn) {
    const source::PageFate fate = (*dump)->FateOf(Pfn(pfn));
    if (fate != source::PageFate::kPresent && fate != source::PageFate::kExcluded) std::abort();
    kept += fate == source::PageFate::kPresent ? 1 : 0;
  }
  if (kept != outcome->counts.kept + outcome->counts.zero) std::abort();
  return 0;
}
