// SPDX-License-Identifier: GPL-2.0-or-later
// class_map DUMP OUT: our class of every page, one byte (PageClass) for each pfn from 0 up to the
// last one of RAM, 0xff where there is no RAM. Findings go to stderr.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "dumptools/capture/classify/page_classifier.h"
#include "dumptools/capture/classify/page_map.h"
#include "dumptools/walk/kernel.h"
#include "hmem/source/memory_source.h"

namespace {

int Complain(const hmem::Error& error) {
  fmt::print(stderr, "class_map: {}\n", error.ToString());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using hmem::Pfn;
  if (argc != 3) {
    fmt::print(stderr, "usage: class_map DUMP OUT\n");
    return 2;
  }
  auto source = hmem::source::Open(argv[1]);
  if (!source) return Complain(source.error());
  hmem::Findings findings;
  auto kernel = hmem::walk::Kernel::Open(**source, {.modules = false});
  if (!kernel) return Complain(kernel.error());
  auto types = (*kernel)->types();
  auto map = hmem::capture::PageMap::Open(**source, types ? *types : nullptr, findings);
  if (!map) return Complain(map.error());
  hmem::capture::PageClassifier classifier((*map)->map(), (*map)->layout(), findings);
  std::vector<unsigned char> classes;
  for (const hmem::PhysRange& range : (*source)->ram()) {
    Pfn at(range.start.value / (*source)->page_bytes());
    const Pfn end(range.end.value / (*source)->page_bytes());
    classes.resize(end.value, 0xff);
    while (at < end) {
      auto run = classifier.Next({at, end});
      for (; at < run.pages.end; at = at + 1)
        classes[at.value] = static_cast<unsigned char>(run.page_class);
    }
  }
  for (const hmem::Finding& finding : findings.all())
    fmt::print(stderr, "class_map: {}: {} x {}\n", finding.id, finding.count, finding.text);
  std::FILE* out = std::fopen(argv[2], "wb");
  if (out == nullptr || std::fwrite(classes.data(), 1, classes.size(), out) != classes.size() ||
      std::fclose(out) != 0) {
    fmt::print(stderr, "class_map: {}: cannot be written\n", argv[2]);
    return 1;
  }
  return 0;
}
