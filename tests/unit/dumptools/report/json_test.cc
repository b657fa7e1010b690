// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/report/json.h"

#include <gtest/gtest.h>

#include "hmem/v1/report.pb.h"

namespace hmem::report {
namespace {

TEST(Json, KeepsProtoNamesAndPrintsDefaults) {
  v1::SymbolReport report;
  report.add_matches()->set_size_bytes(1ull << 63);
  auto json = ToJson("hmem.v1.SymbolReport", report.SerializeAsString());
  ASSERT_TRUE(json.has_value()) << json.error().ToString();
  EXPECT_NE(json->find("\"size_bytes\": \"9223372036854775808\""), std::string::npos) << *json;
  EXPECT_NE(json->find("\"module\": \"\""), std::string::npos) << *json;
  EXPECT_NE(json->find("\"findings\": []"), std::string::npos) << *json;
  EXPECT_TRUE(json->ends_with("}\n"));
}

TEST(Json, EveryReportIsDescribed) {
  for (std::string_view type : {"FailureReport", "LogReport", "BacktraceReport", "ProcessReport",
                                "SystemReport", "ModuleReport", "SymbolReport", "VerifyReport",
                                "ValueReport", "FirstFailure", "DumpHeader", "DumpEnd"}) {
    EXPECT_TRUE(ToJson("hmem.v1." + std::string(type), "").has_value()) << type;
  }
}

TEST(Json, AnUnknownTypeIsRefused) {
  auto json = ToJson("hmem.v1.Nothing", "");
  ASSERT_FALSE(json.has_value());
  EXPECT_EQ(json.error().code(), ErrorCode::kInvalidArgument);
}

TEST(Json, BytesThatAreNoMessageAreCorrupt) {
  auto json = ToJson("hmem.v1.LogReport", "\x0a\x7f");
  ASSERT_FALSE(json.has_value());
  EXPECT_EQ(json.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace hmem::report
