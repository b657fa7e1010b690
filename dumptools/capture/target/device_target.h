// SPDX-License-Identifier: GPL-2.0-or-later
// A dump straight onto a block device, from its first byte on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dumptools/capture/target/fd_sink.h"
#include "dumptools/capture/writer/hmem_writer.h"
#include "hmem/base/result.h"
#include "hmem/v1/dump.pb.h"

namespace hmem::capture {

// Opens for writing from `offset` on. kIo with EBUSY: it is mounted or held by something else (md,
// dm, swap). kInvalidArgument: it is not blank, and `overwrite` is not set.
Result<std::unique_ptr<FdSink>> OpenDevice(const std::string& path, bool overwrite,
                                           uint64_t offset);

// The stream that an earlier stage began on a device or file: HEADER, FIRST_FAILURE and the CHUNK
// that closes them.
struct BegunStream {
  format::DumpId dump_id{};
  v1::DumpHeader header;
  std::vector<std::byte> record;
  StreamPosition position;    // behind that CHUNK
  uint16_t next_attempt = 1;  // higher than that of any frame of this stream
};

// Nothing when there is no such stream at the start of `path`, or its first chunk is damaged. Fails
// when it cannot be read.
Result<std::optional<BegunStream>> FindBegunStream(const std::string& path);

}  // namespace hmem::capture
