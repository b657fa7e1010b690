// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/capture/writer/first_chunk.h"

#include <sodium.h>

#include <string>

namespace hmem::capture {

format::DumpId NewDumpId() {
  format::DumpId id;
  ::randombytes_buf(id.data(), id.size());
  return id;
}

Status WriteFirstChunk(const source::MemorySource& source, const CaptureOptions& options,
                       const std::optional<RecordView>& record, std::string_view tool,
                       HmemWriter& writer) {
  v1::DumpHeader header = MakeDumpHeader(source, options);
  header.set_chunk_bytes_max(static_cast<uint32_t>(HmemWriterOptions().chunk_bytes_max));
  header.set_tool(std::string(tool));
  if (record) {
    *header.mutable_identity() = record->message.identity();
    *header.mutable_kernel() = record->message.kernel();
    std::string digest(crypto_hash_sha256_BYTES, '\0');
    ::crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                         reinterpret_cast<const unsigned char*>(record->bytes.data()),
                         record->bytes.size());
    header.set_record_sha256(digest);
  }
  HMEM_TRY(writer.AppendHeader(header));
  if (record) HMEM_TRY(writer.AppendFirstFailure(record->bytes));
  return writer.Flush();
}

}  // namespace hmem::capture
