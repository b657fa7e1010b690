// SPDX-License-Identifier: GPL-2.0-or-later
// docs/support-matrix.md says of every architecture what its record says.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "hmem/base/fd.h"

namespace hmem::arch {
namespace {

using Row = std::map<std::string, std::string>;  // column -> cell

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::string cell;
  for (char c : line.substr(1)) {
    if (c != '|') {
      cell += c;
      continue;
    }
    const size_t first = cell.find_first_not_of(" `");
    const size_t last = cell.find_last_not_of(" `");
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    cell.clear();
  }
  return cells;
}

// Rows of the table whose first column is "architecture", by that column.
std::map<std::string, Row> ReadMatrix() {
  std::map<std::string, Row> rows;
  auto text = ReadTextFile(HMEM_SUPPORT_MATRIX, 1 << 20);
  if (!text) {
    ADD_FAILURE() << text.error().ToString();
    return rows;
  }
  std::vector<std::string> header;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    const std::string line = text->substr(at, end - at);
    at = end + 1;
    if (!line.starts_with('|')) {
      header.clear();
      continue;
    }
    std::vector<std::string> cells = Cells(line);
    if (!cells.empty() && cells[0] == "architecture") {
      header = cells;
    } else if (!header.empty() && cells.size() == header.size() && !cells[0].starts_with('-')) {
      for (size_t i = 1; i < cells.size(); ++i) rows[cells[0]][header[i]] = cells[i];
    }
  }
  return rows;
}

TEST(SupportMatrix, SaysWhatTheRegistrySays) {
  auto rows = ReadMatrix();
  EXPECT_EQ(rows.size(), AllArchs().size());
  for (const Arch* arch : AllArchs()) {
    SCOPED_TRACE(arch->name);
    ASSERT_TRUE(rows.contains(std::string(arch->name)));
    Row& row = rows[std::string(arch->name)];
    auto said = [](bool supported) { return supported ? "yes" : "no"; };
    EXPECT_EQ(row["ELF machine"], std::to_string(arch->elf_machine));
    EXPECT_EQ(row["word"], std::to_string(arch->word_bytes * 8));
    EXPECT_EQ(row["byte order"], arch->endian == Endian::kLittle ? "little" : "big");
    EXPECT_EQ(row["recognise"], "yes");
    EXPECT_EQ(row["registers"], said(!arch->registers.empty()));
    EXPECT_EQ(row["translate"], said(arch->translate != nullptr));
    EXPECT_EQ(row["unwind"], said(arch->stack_rules != nullptr));
  }
}

}  // namespace
}  // namespace hmem::arch
