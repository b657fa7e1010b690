// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/firstfailure/fingerprint.h"

#include <fmt/format.h>

#include "dumptools/firstfailure/cause.h"
#include "dumptools/firstfailure/identity.h"
#include "dumptools/firstfailure/stack_reading.h"

namespace hmem::firstfailure {
namespace {

constexpr int kMaxFunctions = 5;

std::string FunctionOf(const v1::Frame& frame) {
  return fmt::format("{}:{}", frame.module(), WithoutCompilerSuffix(frame.symbol()));
}

}  // namespace

std::optional<v1::Fingerprint> MakeFingerprint(const v1::FirstFailure& record) {
  const v1::Cause& cause = record.cause();
  if (cause.location().symbol().empty()) return std::nullopt;
  v1::Fingerprint out;
  out.set_algorithm(kFingerprintAlgorithm);
  out.add_ingredients(v1::Cause::Kind_Name(cause.kind()));
  out.add_ingredients(FunctionOf(cause.location()));
  if (const v1::Stack* stack = LocationStack(record)) {
    for (int i = static_cast<int>(cause.location_frame()) + 1;
         i < stack->frames_size() && out.ingredients_size() <= kMaxFunctions; ++i) {
      const v1::Frame& frame = stack->frames(i);
      if (!frame.guessed() && !frame.symbol().empty()) out.add_ingredients(FunctionOf(frame));
    }
  }
  std::string input;
  for (const std::string& ingredient : out.ingredients()) {
    input += ingredient;
    input += '\0';
  }
  out.set_value(ShortHash(input));
  return out;
}

}  // namespace hmem::firstfailure
