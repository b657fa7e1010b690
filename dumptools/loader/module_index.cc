// SPDX-License-Identifier: GPL-2.0-or-later
#include "dumptools/loader/module_index.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "dumptools/loader/module_file.h"

namespace hmem::loader {
namespace {

constexpr size_t kMaxIndexBytes = 64 << 20;
constexpr int kMaxDepth = 64;

std::string_view TakeLine(std::string_view* text) {
  size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) break;
    line.remove_prefix(start);
    words.push_back(line.substr(0, line.find_first_of(" \t")));
    line.remove_prefix(words.back().size());
  }
  return words;
}

std::string Underscored(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

}  // namespace

Result<ModuleIndex> ModuleIndex::Open(const Host& host, std::string folder) {
  ModuleIndex index;
  index.folder_ = std::move(folder);
  auto file = [&](std::string_view name) { return fmt::format("{}/{}", index.folder_, name); };
  HMEM_ASSIGN(std::string dependencies, host.Read(file("modules.dep"), kMaxIndexBytes));
  HMEM_TRY(index.ParseDependencies(dependencies));
  HMEM_ASSIGN(std::string builtins, host.Read(file("modules.builtin"), kMaxIndexBytes));
  index.ParseBuiltins(builtins);
  for (auto [name, parse] : {std::pair{"modules.alias", &ModuleIndex::ParseAliases},
                             std::pair{"modules.softdep", &ModuleIndex::ParseSoftDependencies}}) {
    if (!host.Exists(file(name))) continue;
    HMEM_ASSIGN(std::string text, host.Read(file(name), kMaxIndexBytes));
    (index.*parse)(text);
  }
  return index;
}

// "kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz ..."; paths may be absolute.
Status ModuleIndex::ParseDependencies(std::string_view text) {
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = TakeLine(&text);
    if (line.empty()) continue;
    size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}/modules.dep: line {}: no ':'", folder_, number));
    }
    std::string_view path = line.substr(0, colon);
    Module module;
    module.path = path.starts_with('/') ? std::string(path) : fmt::format("{}/{}", folder_, path);
    for (std::string_view need : Words(line.substr(colon + 1)))
      module.needs.push_back(ModuleName(need));
    modules_.insert_or_assign(ModuleName(path), std::move(module));
  }
  return {};
}

void ModuleIndex::ParseBuiltins(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = TakeLine(&text);
    if (!line.empty()) builtin_.insert(ModuleName(line));
  }
}

// "alias fs-xfs xfs"
void ModuleIndex::ParseAliases(std::string_view text) {
  while (!text.empty()) {
    auto words = Words(TakeLine(&text));
    if (words.size() == 3 && words[0] == "alias")
      aliases_.emplace_back(words[1], Underscored(words[2]));
  }
}

// "softdep libcrc32c pre: crc32c post: other"; words before "pre:" or "post:" mean nothing to
// modprobe either.
void ModuleIndex::ParseSoftDependencies(std::string_view text) {
  while (!text.empty()) {
    auto words = Words(TakeLine(&text));
    if (words.size() < 3 || words[0] != "softdep") continue;
    Soft& soft = soft_[Underscored(words[1])];
    std::vector<std::string>* list = nullptr;
    for (std::string_view word : std::span(words).subspan(2)) {
      if (word == "pre:")
        list = &soft.pre;
      else if (word == "post:")
        list = &soft.post;
      else if (list != nullptr)
        list->emplace_back(word);
    }
  }
}

bool ModuleIndex::IsBuiltin(std::string_view name) const {
  return builtin_.contains(Underscored(name));
}

std::vector<std::string> ModuleIndex::Aliased(std::string_view alias) const {
  std::vector<std::string> names;
  std::string text(alias);
  for (const auto& [pattern, module] : aliases_) {
    bool same = Underscored(pattern) == Underscored(text);
    if (!same && ::fnmatch(pattern.c_str(), text.c_str(), 0) != 0) continue;
    if (std::find(names.begin(), names.end(), module) == names.end()) names.push_back(module);
  }
  return names;
}

Status ModuleIndex::Collect(std::string_view name, int depth, std::set<std::string>* seen,
                            std::vector<std::string>* order) const {
  std::string plain = Underscored(name);
  if (depth > kMaxDepth)
    return Fail(ErrorCode::kLimit, fmt::format("{}: dependencies {} deep", name, depth));
  auto found = modules_.find(plain);
  if (found == modules_.end()) {
    auto aliased = Aliased(name);
    // Built-in code needs nothing loaded; what an alias names as well (a faster crc32c) is taken
    // along.
    if (aliased.empty() && !builtin_.contains(plain)) {
      return Fail(ErrorCode::kNotFound, fmt::format("{}: no such module in {}", name, folder_));
    }
    for (const std::string& module : aliased) {
      if (!builtin_.contains(module)) HMEM_TRY(Collect(module, depth + 1, seen, order));
    }
    return {};
  }
  if (!seen->insert(plain).second) return {};
  auto soft = soft_.find(plain);
  // A soft dependency that does not exist is not an error: that is what soft means.
  auto collect_soft = [&](const std::vector<std::string>& names) -> Status {
    for (const std::string& other : names) {
      auto status = Collect(other, depth + 1, seen, order);
      if (!status && status.error().code() != ErrorCode::kNotFound) return status;
    }
    return {};
  };
  if (soft != soft_.end()) HMEM_TRY(collect_soft(soft->second.pre));
  for (auto need = found->second.needs.rbegin(); need != found->second.needs.rend(); ++need) {
    HMEM_TRY(Within(name, Collect(*need, depth + 1, seen, order)));
  }
  order->push_back(found->second.path);
  if (soft != soft_.end()) HMEM_TRY(collect_soft(soft->second.post));
  return {};
}

Result<std::vector<std::string>> ModuleIndex::LoadOrder(std::string_view name) const {
  std::set<std::string> seen;
  std::vector<std::string> order;
  HMEM_TRY(Collect(name, 0, &seen, &order));
  return order;
}

}  // namespace hmem::loader
