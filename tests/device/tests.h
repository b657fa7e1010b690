// SPDX-License-Identifier: GPL-2.0-or-later
// The tests of the device, by subject; one file each.
#pragma once

#include <span>

#include "tests/device/test_case.h"

namespace hmem::device_test {

std::span<const TestCase> InfoTests();         // HMEM_INFO, HMEM_REGIONS, HMEM_NOTES
std::span<const TestCase> ReadvTests();        // HMEM_READV
std::span<const TestCase> ReadTests();         // read(2) and lseek(2)
std::span<const TestCase> MapTests();          // mmap(2)
std::span<const TestCase> RefusalTests();      // who may open it, and how
std::span<const TestCase> ConcurrencyTests();  // signals, and several at once
std::span<const TestCase> CompatTests();       // 32-bit system calls
std::span<const TestCase> SameBytesTests();    // every way to read gives the same
// These unload the module; only where the device is one.
std::span<const TestCase> HostileHeaderTests();
std::span<const TestCase> LoadTests();  // leave it loaded
std::span<const TestCase> UnloadTests();
// This kernel cannot load modules after them.
std::span<const TestCase> LockdownTests();

// Whatever core header the device has, if what it tells of is really there.
void TestEdgesOfRanges(Check& check);
void TestReadsInHoles(Check& check);
void TestSeekEdges(Check& check);
void TestReadvHoles(Check& check);
void TestWholeRangesMapped(Check& check);
void TestMappedHoles(Check& check);

}  // namespace hmem::device_test
