// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/json.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <memory>

#include "dumptools/report/descriptor_set.h"

namespace hmem::report {
namespace {

Status FillPool(google::protobuf::DescriptorPool& pool) {
  google::protobuf::FileDescriptorSet set;
  std::string_view bytes = DescriptorSet();
  if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(ErrorCode::kCorrupt, "the embedded descriptors do not parse");
  }
  for (const google::protobuf::FileDescriptorProto& file : set.file()) {
    if (pool.BuildFile(file) == nullptr) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("the embedded descriptors of {} are no good", file.name()));
    }
  }
  return {};
}

}  // namespace

Result<std::string> ToJson(std::string_view type, std::string_view serialized) {
  google::protobuf::DescriptorPool pool;
  HMEM_TRY(FillPool(pool));
  const google::protobuf::Descriptor* descriptor = pool.FindMessageTypeByName(std::string(type));
  if (descriptor == nullptr)
    return Fail(ErrorCode::kInvalidArgument, fmt::format("no message type {}", type));
  google::protobuf::DynamicMessageFactory factory(&pool);
  std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(descriptor)->New());
  if (!message->ParseFromArray(serialized.data(), static_cast<int>(serialized.size()))) {
    return Fail(ErrorCode::kCorrupt, fmt::format("the bytes are no {}", type));
  }
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  auto status = google::protobuf::util::MessageToJsonString(*message, &json, options);
  if (!status.ok())
    return Fail(ErrorCode::kCorrupt, fmt::format("{}: {}", type, status.ToString()));
  if (!json.ends_with('\n')) json += '\n';
  return json;
}

}  // namespace hmem::report
