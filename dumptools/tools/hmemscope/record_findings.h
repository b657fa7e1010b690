// SPDX-License-Identifier: GPL-2.0-or-later
// Which of a record's findings tell that something is missing from a verb's answer.
#pragma once

#include <string_view>

namespace hmem::hmemscope {

// False only for findings about a piece that `verb` does not show. A finding that is not known here
// concerns every verb.
bool ConcernsVerb(std::string_view finding_id, std::string_view verb);

}  // namespace hmem::hmemscope
