// SPDX-License-Identifier: GPL-2.0-or-later
// The record as a file: one serialised hmem.v1.FirstFailure, durable before its name appears.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "hmem/base/result.h"
#include "hmem/v1/first_failure.pb.h"

namespace hmem::firstfailure {

inline constexpr std::string_view kRecordFileName = "first-failure.pb";

// The bytes of the record, the same for the same record. kLimit: over kMaxRecordBytes.
// kInvalidArgument: not one that BuildRecord made.
Result<std::string> SerializeRecord(const v1::FirstFailure& record);

// Writes `path` by way of `path`.incomplete: fsync, rename, fsync of the directory. Never
// overwrites: kIo with EEXIST when `path` is there. A leftover .incomplete of an earlier attempt is
// replaced. On failure no new name is left behind.
Status WriteRecord(const std::string& path, const v1::FirstFailure& record);
// The same for bytes that SerializeRecord made.
Status WriteRecordBytes(const std::string& path, std::string_view bytes);

// True when the bytes begin like a record, whatever is broken behind them.
bool SniffRecord(std::span<const std::byte> head);

// `where` names the bytes in errors. kUnsupported: no record, or one of a schema this build does
// not know. kCorrupt: begins like one and does not parse. kTruncated: empty, or cut. kLimit: over 4
// MiB.
Result<v1::FirstFailure> ParseRecord(std::span<const std::byte> bytes, std::string_view where);
Result<v1::FirstFailure> ReadRecord(const std::string& path);

}  // namespace hmem::firstfailure
