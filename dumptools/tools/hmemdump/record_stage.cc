// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/record_stage.h"

#include <fmt/format.h>

#include <ctime>

#include "dumptools/firstfailure/identity.h"
#include "dumptools/firstfailure/record_builder.h"
#include "dumptools/firstfailure/record_store.h"
#include "dumptools/tools/hmemdump/fault.h"
#include "hmem/space/vmcoreinfo.h"

namespace hmem::dump {

std::optional<format::DumpId> Record::dump_id() const {
  auto id = format::ParseDumpId(message.identity().dump_id());
  if (!id) return std::nullopt;
  return *id;
}

bool SameCrash(const v1::FirstFailure& record, const source::MemorySource& source) {
  Findings ignored;
  auto info = space::Vmcoreinfo::FromSource(source, ignored);
  if (!info) return false;
  auto release = info->Text("OSRELEASE");
  auto time = info->Number("CRASHTIME");
  return release && *release == record.kernel().release() && time &&
         *time == static_cast<uint64_t>(record.clock().crash_time_s()) &&
         info->Number("KERNELOFFSET").value_or(0) == record.kernel().kaslr_offset();
}

Result<Record> BuildRecord(const source::MemorySource& source, walk::LazyKernel& lazy_kernel,
                           const RecordRequest& request, Findings& findings) {
  ObeyFaultInRecord();
  firstfailure::RecordOptions options;
  if (!request.identity_path.empty()) {
    auto identity = firstfailure::ReadIdentityFile(request.identity_path, findings);
    if (identity) {
      options.identity = *std::move(identity);
    } else {
      findings.Add(Severity::kLoss, "record.no-identity", request.identity_path,
                   identity.error().ToString());
    }
  }
  options.tool = "hmemdump " HMEM_VERSION;
  options.dump_id = format::DumpIdText(request.dump_id);
  options.dump.set_state(request.dump_path.empty() ? v1::DumpState::STATE_NONE
                                                   : v1::DumpState::STATE_PENDING);
  options.dump.set_path(request.dump_path);
  options.record_time_s = std::time(nullptr);

  const auto& kernel = lazy_kernel.Get();
  Result<v1::FirstFailure> message =
      kernel ? firstfailure::BuildRecord(**kernel, options, findings)
             : firstfailure::BuildRecordFromNotes(source, kernel.error(), options, findings);
  if (!message) return std::unexpected(message.error());
  Record record{.message = *std::move(message), .bytes = {}};
  HMEM_ASSIGN(record.bytes, firstfailure::SerializeRecord(record.message));
  return record;
}

Result<Record> ParseRecord(std::span<const std::byte> bytes, const std::string& where) {
  HMEM_ASSIGN(auto message, firstfailure::ParseRecord(bytes, where));
  return Record{.message = std::move(message),
                .bytes = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

Result<Record> ReadRecordFile(const std::string& path) {
  HMEM_ASSIGN(auto message, firstfailure::ReadRecord(path));
  Record record{.message = std::move(message), .bytes = {}};
  HMEM_ASSIGN(record.bytes, firstfailure::SerializeRecord(record.message));
  return record;
}

Result<std::optional<capture::BegunStream>> FindOwnStream(const std::string& path,
                                                          const source::MemorySource& source) {
  HMEM_ASSIGN(auto begun, capture::FindBegunStream(path));
  if (!begun) return std::nullopt;
  auto record = ParseRecord(begun->record, path);
  if (!record || !SameCrash(record->message, source)) return std::nullopt;
  return begun;
}

}  // namespace hmem::dump
