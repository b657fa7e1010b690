// SPDX-License-Identifier: GPL-2.0-or-later
// What a symbolised kernel stack says: which frames are the kernel dying, and in what context the
// rest ran. By the names of kernel functions (x86_64, arm64, powerpc; 4.x to 6.x); a module's
// function never counts as the kernel's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "hmem/v1/kernel_objects.pb.h"

namespace hmem::firstfailure {

// The name without what the compiler appended: "die.part.0" -> "die", "f.cold" -> "f".
std::string_view WithoutCompilerSuffix(std::string_view symbol);

// panic(), the oops path, exception entries, the way into the crash kernel.
bool IsDeathFrame(const v1::Frame& frame);
// panic() itself was called.
bool IsPanicFrame(const v1::Frame& frame);

// Index of the first frame that is not the kernel dying; nullopt: the stack has none, or none has a
// symbol.
std::optional<size_t> FirstLivingFrame(const v1::Stack& stack);
// Index of the innermost frame that an interrupt, NMI or exception came upon.
std::optional<size_t> FirstInterruptedFrame(const v1::Stack& stack);
// Index of the first frame of a sleeping task that is not scheduler, lock or wait primitive.
std::optional<size_t> FirstWaitingFrame(const v1::Stack& stack);

// "nmi", "hard interrupt", "soft interrupt" or "task", as of frame `from`; empty when the stack
// does not tell.
std::string ContextOf(const v1::Stack& stack, size_t from);

}  // namespace hmem::firstfailure
