// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/tools/hmemdump/explain_stage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "dumptools/capture/order/scan_plan.h"
#include "hmem/base/fd.h"

namespace hmem::dump {
namespace {

constexpr size_t kBytesPerLine = 16;

std::string Hex(uint64_t value) { return fmt::format("{:#x}", value); }

std::string HexBytes(std::span<const std::byte> bytes) {
  std::string text;
  for (std::byte byte : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

std::string Decision(const ExplainedPage& page) {
  if (!page.kept) return "left out";
  return page.wanted ? "kept: --keep names it" : "kept";
}

std::string AsText(const ExplainedPage& explained) {
  const capture::PageExplanation& page = explained.page;
  std::string text = fmt::format("pfn {:#x}, phys {:#x}: {}\n  {}\n", explained.pfn,
                                 explained.pfn * explained.page_bytes,
                                 capture::PageClassName(page.page_class), page.rule);
  if (page.head) text += fmt::format("  decided by pfn {:#x}\n", page.head->value);
  text += fmt::format("  {}\n", Decision(explained));
  if (page.struct_page.value == 0) return text;
  text += fmt::format("struct page at virt {:#x}\n", page.struct_page.value);
  if (page.bytes.empty()) return text + "  cannot be read\n";
  text += fmt::format(
      "  flags {:#x}, mapping {:#x}, _mapcount {:#x}, private {:#x}, compound_head {:#x}\n",
      page.flags, page.mapping, page.mapcount, page.page_private, page.compound_head);
  for (size_t at = 0; at < page.bytes.size(); at += kBytesPerLine) {
    auto line = std::span(page.bytes).subspan(at, std::min(kBytesPerLine, page.bytes.size() - at));
    text += fmt::format("  {:02x}  {}\n", at, HexBytes(line));
  }
  return text;
}

std::string AsJson(const ExplainedPage& explained) {
  const capture::PageExplanation& page = explained.page;
  nlohmann::ordered_json json;
  json["pfn"] = explained.pfn;
  json["class"] = capture::PageClassName(page.page_class);
  json["rule"] = page.rule;
  json["kept"] = explained.kept;
  json["wanted"] = explained.wanted;
  if (page.head) json["head_pfn"] = page.head->value;
  if (page.struct_page.value != 0) json["struct_page"] = Hex(page.struct_page.value);
  if (!page.bytes.empty()) {
    json["flags"] = Hex(page.flags);
    json["mapping"] = Hex(page.mapping);
    json["mapcount"] = Hex(page.mapcount);
    json["private"] = Hex(page.page_private);
    json["compound_head"] = Hex(page.compound_head);
    json["bytes"] = HexBytes(page.bytes);
  }
  return json.dump(2) + "\n";
}

}  // namespace

Result<ExplainedPage> ExplainPage(const source::MemorySource& source, const Options& options,
                                  Findings& findings) {
  const uint32_t page_bytes = source.page_bytes();
  ExplainedPage explained{.pfn = *options.explain, .page_bytes = page_bytes, .page = {}};
  const bool ram =
      std::any_of(source.ram().begin(), source.ram().end(), [&](const PhysRange& range) {
        return explained.pfn >= range.start.value / page_bytes &&
               explained.pfn < range.end.value / page_bytes;
      });
  if (!ram) return Fail(ErrorCode::kNotFound, fmt::format("pfn {:#x}: no RAM", explained.pfn));
  walk::LazyKernel kernel(source);
  capture::ScanPlan plan(source, kernel,
                         {.filter = options.filter, .by_value = false, .wanted = options.wanted},
                         findings);
  explained.page.rule = "pages of this dump cannot be told apart";
  if (plan.page_map() != nullptr) {
    capture::PageClassifier classifier(plan.page_map()->map(), plan.page_map()->layout(), findings);
    explained.page = classifier.Explain(Pfn(explained.pfn));
  }
  explained.wanted = plan.Wants(Pfn(explained.pfn), explained.page.page_class);
  explained.kept = explained.wanted || !options.filter.Excludes(explained.page.page_class);
  return explained;
}

Status PrintExplanation(const ExplainedPage& page, const Options& options) {
  std::string text = options.json ? AsJson(page) : AsText(page);
  return WriteAll(STDOUT_FILENO, std::as_bytes(std::span(text)), "standard output");
}

}  // namespace hmem::dump
