// SPDX-License-Identifier: GPL-2.0-or-later
// The FileDescriptorSet of proto/, as protoc wrote it.
#pragma once

#include <string_view>

namespace hmem::report {

std::string_view DescriptorSet();

}  // namespace hmem::report
