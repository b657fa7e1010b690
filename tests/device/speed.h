// SPDX-License-Identifier: GPL-2.0-or-later
// How fast old memory comes, by each way to get it.
#pragma once

namespace hmem::device_test {

// "speed WAY: MEDIAN LEAST MOST" in MiB/s, for each way, and "speed done".
void MeasureSpeed();

}  // namespace hmem::device_test
