// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/source_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hmem::fuzz::ExerciseSource({data, size});
  return 0;
}
