// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/fault.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "hmem/base/fd.h"

namespace hmem::init {
namespace {

constexpr std::string_view kWord = "hmem.fault=";
constexpr unsigned kPauseSeconds = 3;
constexpr size_t kMaxCommandLineBytes = 64 * 1024;

// Takes the text up to the first of `separators` off the front of `rest`.
std::string_view Take(std::string_view* rest, std::string_view separators) {
  std::string_view word = rest->substr(0, rest->find_first_of(separators));
  rest->remove_prefix(std::min(word.size() + 1, rest->size()));
  return word;
}

}  // namespace

Faults ParseFaults(std::string_view command_line) {
  std::string_view last;
  while (!command_line.empty()) {
    std::string_view word = Take(&command_line, " \n");
    if (word.starts_with(kWord)) last = word.substr(kWord.size());
  }
  Faults faults;
  while (!last.empty()) {
    std::string_view pair = Take(&last, ",");
    size_t colon = pair.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == pair.size()) continue;
    faults.insert_or_assign(std::string(pair.substr(0, colon)),
                            std::string(pair.substr(colon + 1)));
  }
  return faults;
}

void ObeyFault(const Faults& faults, std::string_view place) {
  auto fault = faults.find(place);
  if (fault == faults.end()) return;
  if (fault->second == "abort") std::abort();
  if (fault->second == "pause") ::sleep(kPauseSeconds);
  while (fault->second == "hang") ::pause();
  if (fault->second == "hog") {
    // Touched, so that it is taken for real.
    std::vector<std::vector<char>> hoard;
    for (;;) hoard.emplace_back(1 << 20, 'x');
  }
}

Faults FaultsToInject() {
  auto command_line = ReadTextFile("/proc/cmdline", kMaxCommandLineBytes);
  return command_line ? ParseFaults(*command_line) : Faults();
}

}  // namespace hmem::init
