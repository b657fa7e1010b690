// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/fingerprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dumptools/firstfailure/cause.h"
#include "tests/unit/dumptools/firstfailure/kernel_words.h"

namespace hmem::firstfailure {
namespace {

using testing::ElementsAre;

v1::FirstFailure Crash(const std::vector<std::string>& frames) {
  v1::FirstFailure record = RecordOf(frames);
  SetCause(LogOf({"Kernel panic - not syncing: sysrq triggered crash"}), record);
  return record;
}

TEST(Fingerprint, HoldsKindAndFunctionsFromTheLocationOutwards) {
  auto made = MakeFingerprint(Crash(
      {"__crash_kexec", "panic", "hold.constprop.0 [granite]", "-", "seam", "c", "d", "e", "f"}));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->algorithm(), kFingerprintAlgorithm);
  EXPECT_EQ(made->value().size(), 32u);
  EXPECT_THAT(made->ingredients(),
              ElementsAre("KIND_SYSRQ", "granite:hold", ":seam", ":c", ":d", ":e"));
}

TEST(Fingerprint, AnotherBuildAtAnotherAddressIsTheSame) {
  v1::FirstFailure a = Crash({"panic", "hold [granite]", "seam"});
  v1::FirstFailure b = Crash({"__crash_kexec", "panic", "hold.isra.0 [granite]", "seam.cold"});
  EXPECT_EQ(MakeFingerprint(a)->value(), MakeFingerprint(b)->value());
}

TEST(Fingerprint, AnotherCallerIsAnother) {
  v1::FirstFailure a = Crash({"panic", "hold [granite]", "seam"});
  v1::FirstFailure b = Crash({"panic", "hold [granite]", "facet"});
  EXPECT_NE(MakeFingerprint(a)->value(), MakeFingerprint(b)->value());
}

TEST(Fingerprint, WithoutAFunctionThereIsNone) { EXPECT_FALSE(MakeFingerprint(Crash({}))); }

}  // namespace
}  // namespace hmem::firstfailure
