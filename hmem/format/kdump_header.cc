// SPDX-License-Identifier: GPL-2.0-or-later
#include "hmem/format/kdump_header.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "hmem/base/byte_reader.h"

namespace hmem::format {
namespace {

constexpr uint64_t kUtsnameFieldBytes = 65;
constexpr uint32_t kSmallestBlock = 4096;
constexpr uint32_t kLargestBlock = 1 << 20;
constexpr uint32_t kPlausibleVersions = 256;

constexpr uint64_t AlignUp(uint64_t n, uint64_t align) { return (n + align - 1) / align * align; }

// Two directions of one field list: both know the width of `long` and the alignment of 64-bit
// integers.
class FieldReader {
 public:
  FieldReader(std::span<const std::byte> bytes, Endian endian, KdumpLayout layout, std::string what)
      : reader_(bytes, endian, std::move(what)), layout_(layout) {}

  Status Text(std::string& value, uint64_t bytes) {
    HMEM_ASSIGN(value, reader_.FixedText(bytes));
    return {};
  }
  Status U32(uint32_t& value) {
    HMEM_ASSIGN(value, reader_.U32());
    return {};
  }
  Status U64(uint64_t& value) {
    HMEM_TRY(Align(layout_ == KdumpLayout::k32Packed ? 4 : 8));
    HMEM_ASSIGN(value, reader_.U64());
    return {};
  }
  Status Long(uint64_t& value) {
    int bytes = KdumpWordBytes(layout_);
    HMEM_TRY(Align(static_cast<uint64_t>(bytes)));
    HMEM_ASSIGN(value, reader_.Word(bytes));
    return {};
  }
  Status Align(uint64_t align) {
    return reader_.Skip(AlignUp(reader_.offset(), align) - reader_.offset());
  }

 private:
  ByteReader reader_;
  KdumpLayout layout_;
};

class FieldWriter {
 public:
  FieldWriter(Endian endian, KdumpLayout layout) : endian_(endian), layout_(layout) {}

  Status Text(const std::string& value, uint64_t bytes) {
    size_t at = out_.size();
    out_.resize(at + bytes);
    auto text = std::as_bytes(std::span(value));
    std::copy_n(text.begin(), std::min<uint64_t>(text.size(), bytes),
                out_.begin() + static_cast<ptrdiff_t>(at));
    return {};
  }
  Status U32(uint32_t value) { return Put(value); }
  Status U64(uint64_t value) {
    HMEM_TRY(Align(layout_ == KdumpLayout::k32Packed ? 4 : 8));
    return Put(value);
  }
  Status Long(uint64_t value) {
    HMEM_TRY(Align(static_cast<uint64_t>(KdumpWordBytes(layout_))));
    return layout_ == KdumpLayout::k64 ? Put(value) : Put(static_cast<uint32_t>(value));
  }
  Status Align(uint64_t align) {
    out_.resize(AlignUp(out_.size(), align));
    return {};
  }
  std::vector<std::byte> Take() { return std::move(out_); }

 private:
  template <typename T>
  Status Put(T value) {
    size_t at = out_.size();
    out_.resize(at + sizeof(T));
    Store<T>(&out_[at], value, endian_);
    return {};
  }

  std::vector<std::byte> out_;
  Endian endian_;
  KdumpLayout layout_;
};

// The main header behind the signature-to-be in `signature`.
template <typename Fields, typename Header>
Status HeaderFields(Fields& io, Header& header, std::string& signature) {
  HMEM_TRY(io.Text(signature, kKdumpSignature.size()));
  HMEM_TRY(io.U32(header.version));
  for (auto& field : header.utsname) HMEM_TRY(io.Text(field, kUtsnameFieldBytes));
  HMEM_TRY(io.Long(header.time_seconds));
  HMEM_TRY(io.Long(header.time_microseconds));
  HMEM_TRY(io.U32(header.status));
  HMEM_TRY(io.U32(header.block_bytes));
  HMEM_TRY(io.U32(header.sub_header_blocks));
  HMEM_TRY(io.U32(header.bitmap_blocks));
  HMEM_TRY(io.U32(header.max_mapnr));
  uint32_t unused = 0;  // total_ram_blocks, device_blocks, written_blocks, current_cpu: of diskdump
  for (int i = 0; i < 4; ++i) HMEM_TRY(io.U32(unused));
  HMEM_TRY(io.U32(header.nr_cpus));
  return {};
}

template <typename Fields, typename SubHeader>
Status SubHeaderFields(Fields& io, SubHeader& sub, uint32_t version) {
  HMEM_TRY(io.Long(sub.phys_base));
  if (version < 1) return {};
  HMEM_TRY(io.U32(sub.dump_level));
  if (version < 2) return {};
  HMEM_TRY(io.U32(sub.split));
  HMEM_TRY(io.Long(sub.start_pfn));
  HMEM_TRY(io.Long(sub.end_pfn));
  if (version < 3) return {};
  HMEM_TRY(io.U64(sub.vmcoreinfo_offset));
  HMEM_TRY(io.Long(sub.vmcoreinfo_bytes));
  if (version < 4) return {};
  HMEM_TRY(io.U64(sub.note_offset));
  HMEM_TRY(io.Long(sub.note_bytes));
  if (version < 5) return {};
  HMEM_TRY(io.U64(sub.eraseinfo_offset));
  HMEM_TRY(io.Long(sub.eraseinfo_bytes));
  if (version < 6) return {};
  HMEM_TRY(io.U64(sub.start_pfn_64));
  HMEM_TRY(io.U64(sub.end_pfn_64));
  HMEM_TRY(io.U64(sub.max_mapnr_64));
  return {};
}

struct MachineName {
  std::string_view prefix;  // of utsname.machine; the longest that fits counts
  uint16_t machine;
};
// The names the kernel's UTS_MACHINE takes; the first of each machine is its usual one.
constexpr MachineName kMachineNames[] = {
    {"x86_64", EM_X86_64},   {"i686", EM_386},    {"i386", EM_386},
    {"i486", EM_386},        {"i586", EM_386},    {"aarch64", EM_AARCH64},
    {"arm", EM_ARM},         {"ppc64", EM_PPC64}, {"ppc", EM_PPC},
    {"s390x", EM_S390},      {"riscv", EM_RISCV}, {"mips", EM_MIPS},
    {"sparc64", EM_SPARCV9}, {"ia64", EM_IA_64},  {"loongarch", EM_LOONGARCH},
    {"m68k", EM_68K},
};

bool MachinePacks(std::string_view machine) {
  return machine == "m68k" ||
         (machine.size() == 4 && machine[0] == 'i' && machine.substr(2) == "86");
}

bool Plausible(const KdumpHeader& header) {
  return header.version >= 1 && header.version < kPlausibleVersions &&
         std::has_single_bit(header.block_bytes) && header.block_bytes >= kSmallestBlock &&
         header.block_bytes <= kLargestBlock && header.sub_header_blocks >= 1 &&
         header.bitmap_blocks >= 1;
}

// Offsets are 0 or lie in the sub header's blocks.
bool Plausible(const KdumpSubHeader& sub, const KdumpHeader& header) {
  uint64_t end = (1 + uint64_t{header.sub_header_blocks}) * header.block_bytes;
  auto inside = [&](uint64_t offset, uint64_t bytes) {
    return offset == 0 || (offset >= header.block_bytes && offset < end && bytes <= end - offset);
  };
  return inside(sub.vmcoreinfo_offset, sub.vmcoreinfo_bytes) &&
         inside(sub.note_offset, sub.note_bytes);
}

}  // namespace

int KdumpWordBytes(KdumpLayout layout) { return layout == KdumpLayout::k64 ? 8 : 4; }

Result<KdumpHeader> ParseKdumpHeader(std::span<const std::byte> bytes) {
  std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                         std::min(bytes.size(), kKdumpSignature.size()));
  if (start != kKdumpSignature)
    return Fail(ErrorCode::kCorrupt, "kdump header: offset 0x0: no KDUMP signature");
  if (bytes.size() < kKdumpHeaderBytes) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("kdump header: the file ends after {} bytes", bytes.size()));
  }
  for (KdumpLayout layout : {KdumpLayout::k64, KdumpLayout::k32Padded}) {
    for (Endian endian : {Endian::kLittle, Endian::kBig}) {
      KdumpHeader header{.layout = layout, .endian = endian, .utsname = {}};
      FieldReader fields(bytes, endian, layout, "kdump header");
      std::string signature;
      HMEM_TRY(HeaderFields(fields, header, signature));
      if (!Plausible(header)) continue;
      if (layout != KdumpLayout::k64 && MachinePacks(header.machine()))
        header.layout = KdumpLayout::k32Packed;
      return header;
    }
  }
  return Fail(
      ErrorCode::kCorrupt,
      "kdump header: version, block size, sub header and bitmap sizes make no sense in any layout");
}

Result<KdumpSubHeader> ParseKdumpSubHeader(std::span<const std::byte> bytes, KdumpHeader& header) {
  auto parse = [&](KdumpLayout layout) -> Result<KdumpSubHeader> {
    KdumpSubHeader sub;
    FieldReader fields(bytes, header.endian, layout, "kdump sub header");
    HMEM_TRY(SubHeaderFields(fields, sub, header.version));
    return sub;
  };
  HMEM_ASSIGN(KdumpSubHeader sub, parse(header.layout));
  if (header.layout == KdumpLayout::k64 || Plausible(sub, header)) return sub;
  KdumpLayout other =
      header.layout == KdumpLayout::k32Packed ? KdumpLayout::k32Padded : KdumpLayout::k32Packed;
  HMEM_ASSIGN(KdumpSubHeader second, parse(other));
  if (!Plausible(second, header)) return sub;
  header.layout = other;
  return second;
}

KdumpDescriptor ParseKdumpDescriptor(std::span<const std::byte, kKdumpDescriptorBytes> bytes,
                                     Endian endian) {
  return {.offset = Load<uint64_t>(bytes.data(), endian),
          .bytes = Load<uint32_t>(bytes.data() + 8, endian),
          .flags = Load<uint32_t>(bytes.data() + 12, endian)};
}

std::vector<std::byte> BuildKdumpHeader(const KdumpHeader& header) {
  FieldWriter fields(header.endian, header.layout);
  std::string signature(kKdumpSignature);
  (void)HeaderFields(fields, header, signature);  // writing to memory does not fail
  return fields.Take();
}

std::vector<std::byte> BuildKdumpSubHeader(const KdumpSubHeader& sub, const KdumpHeader& header) {
  FieldWriter fields(header.endian, header.layout);
  (void)SubHeaderFields(fields, sub, header.version);  // writing to memory does not fail
  return fields.Take();
}

std::array<std::byte, kKdumpDescriptorBytes> BuildKdumpDescriptor(const KdumpDescriptor& descriptor,
                                                                  Endian endian) {
  std::array<std::byte, kKdumpDescriptorBytes> bytes{};
  Store<uint64_t>(&bytes[0], descriptor.offset, endian);
  Store<uint32_t>(&bytes[8], descriptor.bytes, endian);
  Store<uint32_t>(&bytes[12], descriptor.flags, endian);
  return bytes;
}

uint16_t KdumpElfMachine(const KdumpHeader& header) {
  const MachineName* best = nullptr;
  for (const MachineName& name : kMachineNames) {
    if (header.machine().starts_with(name.prefix) &&
        (best == nullptr || name.prefix.size() > best->prefix.size())) {
      best = &name;
    }
  }
  return best == nullptr ? uint16_t{EM_NONE} : best->machine;
}

std::string_view KdumpMachineName(uint16_t elf_machine) {
  auto name = std::ranges::find(kMachineNames, elf_machine, &MachineName::machine);
  return name == std::end(kMachineNames) ? std::string_view() : name->prefix;
}

KdumpLayout KdumpLayoutOf(int word_bytes, std::string_view machine) {
  if (word_bytes == 8) return KdumpLayout::k64;
  return MachinePacks(machine) ? KdumpLayout::k32Packed : KdumpLayout::k32Padded;
}

std::string_view KdumpCodecName(uint32_t flags) {
  switch (flags) {
    case 0:
      return "none";
    case kKdumpPageZlib:
      return "zlib";
    case kKdumpPageLzo:
      return "lzo";
    case kKdumpPageSnappy:
      return "snappy";
    case kKdumpPageZstd:
      return "zstd";
    default:
      return {};
  }
}

std::optional<uint32_t> KdumpCodecFlag(std::string_view codec) {
  for (uint32_t flag : {0u, kKdumpPageZlib, kKdumpPageLzo, kKdumpPageSnappy, kKdumpPageZstd}) {
    if (KdumpCodecName(flag) == codec) return flag;
  }
  return std::nullopt;
}

}  // namespace hmem::format
