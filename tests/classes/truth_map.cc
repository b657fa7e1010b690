// SPDX-License-Identifier: GPL-2.0-or-later
// truth_map DUMP OUT: what tests/zoo/page_truth.c wrote down at the panic, out of the dump: a
// 32-bit little-endian word for each pfn from 0 on, 0 where it wrote none. The bits are in that
// file.
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dumptools/walk/kernel.h"
#include "hmem/base/byte_reader.h"
#include "hmem/base/result.h"
#include "hmem/source/memory_source.h"

namespace hmem {
namespace {

constexpr char kModule[] = "page_truth";
constexpr char kSymbol[] = "page_truth";
// struct page_truth_header.
constexpr size_t kHeaderBytes = 48;
constexpr uint64_t kMagic = 0x68747572745f6770;
constexpr uint32_t kVersion = 1;
constexpr uint32_t kWordBytes = 4;
// 64 GiB of memory: a guest of these tests has no more.
constexpr uint64_t kMostPfns = 1 << 24;

struct Header {
  uint64_t first_pfn = 0;
  uint64_t pfns = 0;
  VirtAddr words;
};

Result<Header> ReadHeader(const walk::Kernel& kernel) {
  const std::optional<symbols::Symbol> symbol = kernel.symbols().Find(kSymbol, kModule);
  if (!symbol) return Fail(ErrorCode::kNotFound, "the dump's kernel has no such symbol");
  std::array<std::byte, kHeaderBytes> bytes;
  HMEM_TRY(kernel.memory().Read(symbol->address, bytes));
  ByteReader reader(bytes, Endian::kLittle, kSymbol, symbol->address.value);
  HMEM_ASSIGN(uint64_t magic, reader.U64());
  HMEM_ASSIGN(uint32_t version, reader.U32());
  HMEM_ASSIGN(uint32_t word_bytes, reader.U32());
  Header header;
  HMEM_ASSIGN(header.first_pfn, reader.U64());
  HMEM_ASSIGN(header.pfns, reader.U64());
  HMEM_ASSIGN(uint64_t words, reader.U64());
  HMEM_ASSIGN(uint64_t done, reader.U64());
  header.words = VirtAddr(words);
  if (magic != kMagic || version != kVersion || word_bytes != kWordBytes) {
    return Fail(ErrorCode::kUnsupported, fmt::format("magic {:#x}, version {}, {} bytes a word",
                                                     magic, version, word_bytes));
  }
  if (header.first_pfn > kMostPfns || header.pfns > kMostPfns - header.first_pfn)
    return Fail(ErrorCode::kLimit,
                fmt::format("pfn {:#x} and {:#x} more", header.first_pfn, header.pfns));
  if (done != 1) {
    return Fail(ErrorCode::kNotFound,
                "not filled: the notifier did not run to its end before the capture kernel");
  }
  return header;
}

Status WriteMap(const std::string& dump, const std::string& out) {
  HMEM_ASSIGN(std::unique_ptr<source::MemorySource> source, source::Open(dump));
  HMEM_ASSIGN(std::unique_ptr<walk::Kernel> kernel, walk::Kernel::Open(*source));
  HMEM_ASSIGN(Header header, Within(kSymbol, ReadHeader(*kernel)));
  std::vector<std::byte> words((header.first_pfn + header.pfns) * kWordBytes);
  HMEM_TRY(
      kernel->memory().Read(header.words, std::span(words).subspan(header.first_pfn * kWordBytes)));
  std::ofstream file(out, std::ios::binary);
  file.write(reinterpret_cast<const char*>(words.data()),
             static_cast<std::streamsize>(words.size()));
  file.close();
  if (!file) return FailErrno(out, errno);
  return {};
}

}  // namespace
}  // namespace hmem

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: truth_map DUMP OUT\n");
    return 2;
  }
  const hmem::Status status = hmem::WriteMap(argv[1], argv[2]);
  if (status) return 0;
  fmt::print(stderr, "truth_map: {}\n", status.error().ToString());
  return 1;
}
