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

// What may be lost on a device, beside nothing at all: a blank one is always written to.
enum class Overwrite { kNothing, kDump, kAnything };

// `fd` is the device, or an image of one. kInvalidArgument: it holds what `allowed` does not cover;
// the error names it and the option that does.
Status MayWriteOver(int fd, const std::string& path, Overwrite allowed);

// Opens for writing from `offset` on. kIo with EBUSY: it is mounted or held by something else (md,
// dm, swap). kInvalidArgument: see MayWriteOver.
Result<std::unique_ptr<FdSink>> OpenDevice(const std::string& path, Overwrite allowed,
                                           uint64_t offset);

// Returns when what was written to the device, by whomever, is durable. kIo.
Status SyncDevice(const std::string& path);

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

// True when the stream at the start of `path` has its END: going on with it would lose a finished
// dump. Follows every frame of it.
Result<bool> HasEnd(const std::string& path, const format::DumpId& dump_id);

}  // namespace hmem::capture
