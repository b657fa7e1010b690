// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/fault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hmem::init {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(ParseFaults, TakesPairsAndLeavesRubbish) {
  EXPECT_THAT(ParseFaults("quiet hmem.fault=record:abort,full:hang,,single:,:hog,rubbish\n"),
              UnorderedElementsAre(Pair("record", "abort"), Pair("full", "hang")));
}

TEST(ParseFaults, TheLastWordWins) {
  EXPECT_THAT(ParseFaults("a hmem.fault=record:abort b hmem.fault=full:hog\n"),
              ElementsAre(Pair("full", "hog")));
}

TEST(ParseFaults, WithoutTheWordThereAreNone) {
  EXPECT_THAT(ParseFaults(""), IsEmpty());
  EXPECT_THAT(ParseFaults("quiet hmem.faults=full:hog xhmem.fault=full:hog"), IsEmpty());
}

}  // namespace
}  // namespace hmem::init
