// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/kernel_image.h"

#include <fmt/format.h>

#include "hmem/base/byte_reader.h"
#include "hmem/base/fd.h"

namespace hmem::loader {
namespace {

constexpr uint64_t kSetupSectorsOffset = 0x1f1;
constexpr uint64_t kDefaultSetupSectors = 4;
constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kSystemSizeOffset = 0x1f4;
constexpr uint64_t kParagraphBytes = 16;
constexpr uint64_t kSetupMagicOffset = 0x202;
constexpr uint32_t kSetupMagic = 0x53726448;  // "HdrS"
constexpr uint64_t kProtocolOffset = 0x206;
constexpr uint16_t kProtocolWithXloadflags = 0x20c;
constexpr uint64_t kVersionPointerOffset = 0x20e;
constexpr uint64_t kVersionPointerBase = 0x200;
constexpr uint64_t kVersionTextBytes = 256;
constexpr uint64_t kXloadflagsOffset = 0x236;
constexpr uint16_t kXlfKernel64 = 1;
constexpr uint16_t kXlfCanBeLoadedAbove4G = 2;
constexpr uint64_t kCommandLineSizeOffset = 0x238;
constexpr uint64_t kInitSizeOffset = 0x260;

constexpr size_t kMaxKernelBytes = 256 << 20;

constexpr uint64_t kPeOffsetOffset = 0x3c;
constexpr uint32_t kPeMagic = 0x4550;  // "PE\0\0"
constexpr uint16_t kPe32Plus = 0x20b;
constexpr uint64_t kOptionalHeader = 24;                 // from the PE magic
constexpr uint64_t kCertificateDirectory = 112 + 4 * 8;  // from the optional header, PE32+

// A kernel without an EFI stub has no PE header: it is not signed.
Result<bool> HasCertificate(ByteReader reader) {
  HMEM_TRY(reader.Seek(kPeOffsetOffset));
  HMEM_ASSIGN(uint32_t pe, reader.U32());
  if (!reader.Seek(pe)) return false;
  HMEM_ASSIGN(uint32_t magic, reader.U32());
  if (magic != kPeMagic) return false;
  HMEM_TRY(reader.Seek(pe + kOptionalHeader));
  HMEM_ASSIGN(uint16_t kind, reader.U16());
  if (kind != kPe32Plus) return false;
  HMEM_TRY(reader.Seek(pe + kOptionalHeader + kCertificateDirectory + 4));
  HMEM_ASSIGN(uint32_t size, reader.U32());
  return size != 0;
}

// What the boot sector, the setup code and the packed kernel take; kexec_file_load(2) does not
// look.
Result<uint64_t> BytesNeeded(ByteReader reader) {
  HMEM_TRY(reader.Seek(kSetupSectorsOffset));
  HMEM_ASSIGN(uint64_t sectors, reader.U8());
  if (sectors == 0) sectors = kDefaultSetupSectors;
  HMEM_TRY(reader.Seek(kSystemSizeOffset));
  HMEM_ASSIGN(uint64_t paragraphs, reader.U32());
  return (sectors + 1) * kSectorBytes + paragraphs * kParagraphBytes;
}

}  // namespace

Result<KernelImage> ParseKernelImage(std::span<const std::byte> image) {
  if (image.size() < kInitSizeOffset + sizeof(uint32_t)) {
    return Fail(ErrorCode::kTruncated,
                fmt::format("{} bytes are too few for a bzImage", image.size()));
  }
  ByteReader reader(image, Endian::kLittle, "bzImage");
  HMEM_TRY(reader.Seek(kSetupMagicOffset));
  HMEM_ASSIGN(uint32_t magic, reader.U32());
  if (magic != kSetupMagic) return Fail(ErrorCode::kUnsupported, "not an x86 bzImage");
  HMEM_TRY(reader.Seek(kProtocolOffset));
  HMEM_ASSIGN(uint16_t protocol, reader.U16());
  if (protocol < kProtocolWithXloadflags) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("boot protocol {:#x}, 0x20c or newer needed", protocol));
  }
  KernelImage kernel;
  kernel.file_bytes = image.size();
  HMEM_TRY(reader.Seek(kXloadflagsOffset));
  HMEM_ASSIGN(uint16_t flags, reader.U16());
  kernel.is_64bit = (flags & kXlfKernel64) != 0;
  kernel.is_relocatable = (flags & kXlfCanBeLoadedAbove4G) != 0;
  HMEM_TRY(reader.Seek(kCommandLineSizeOffset));
  HMEM_ASSIGN(uint32_t command_line, reader.U32());
  kernel.command_line_bytes = command_line;
  HMEM_TRY(reader.Seek(kInitSizeOffset));
  HMEM_ASSIGN(uint32_t init_size, reader.U32());
  kernel.init_size_bytes = init_size;
  HMEM_TRY(reader.Seek(kVersionPointerOffset));
  HMEM_ASSIGN(uint16_t version, reader.U16());
  HMEM_TRY(reader.Seek(kVersionPointerBase + version));
  HMEM_ASSIGN(std::string text, reader.FixedText(std::min(kVersionTextBytes, reader.remaining())));
  kernel.release = text.substr(0, text.find(' '));
  if (kernel.release.empty()) return Fail(ErrorCode::kCorrupt, "bzImage: no kernel version");
  HMEM_ASSIGN(uint64_t needed, BytesNeeded(reader));
  if (image.size() < needed) {
    return Fail(ErrorCode::kTruncated, fmt::format("bzImage of {} bytes is cut: its header says {}",
                                                   image.size(), needed));
  }
  HMEM_ASSIGN(kernel.is_signed,
              HasCertificate(ByteReader(image, Endian::kLittle, "bzImage: PE header")));
  return kernel;
}

Result<KernelImage> ReadKernelImage(const Host& host, const std::string& path) {
  HMEM_ASSIGN(auto bytes, ReadFile(host.At(path), kMaxKernelBytes));
  HMEM_ASSIGN(KernelImage image, Within(path, ParseKernelImage(bytes)));
  if (!image.is_64bit)
    return Fail(ErrorCode::kUnsupported, fmt::format("{}: not a 64-bit kernel", path));
  if (!image.is_relocatable) {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("{}: built without CONFIG_RELOCATABLE; it cannot run from where kexec puts it",
                    path));
  }
  return image;
}

}  // namespace hmem::loader
