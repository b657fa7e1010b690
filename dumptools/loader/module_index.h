// SPDX-License-Identifier: GPL-2.0-or-later
// What depmod(8) knows of one kernel release:
// /lib/modules/RELEASE/modules.{dep,builtin,alias,softdep}.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dumptools/loader/host.h"
#include "hmem/base/result.h"

namespace hmem::loader {

class ModuleIndex {
 public:
  // `folder` is "/lib/modules/RELEASE". A missing modules.dep or modules.builtin is an error (run
  // depmod); the others may be missing. kIo, kCorrupt, kLimit; errors name the file and the line.
  static Result<ModuleIndex> Open(const Host& host, std::string folder);

  // Files to load, in load order, so that `name` (a module, or an alias such as "fs-xfs" or
  // "virtio:d00000002v00001AF4") works: hard dependencies and soft "pre" and "post" ones. Empty
  // when it is built in. kNotFound: neither a module, nor built in, nor an alias.
  Result<std::vector<std::string>> LoadOrder(std::string_view name) const;

  bool IsBuiltin(std::string_view name) const;
  const std::string& folder() const { return folder_; }

 private:
  struct Module {
    std::string path;                // absolute
    std::vector<std::string> needs;  // names, as modules.dep lists them: the nearest first
  };
  struct Soft {
    std::vector<std::string> pre;
    std::vector<std::string> post;
  };

  Status ParseDependencies(std::string_view text);
  void ParseBuiltins(std::string_view text);
  void ParseAliases(std::string_view text);
  void ParseSoftDependencies(std::string_view text);
  // Names of modules that `alias` stands for.
  std::vector<std::string> Aliased(std::string_view alias) const;
  Status Collect(std::string_view name, int depth, std::set<std::string>* seen,
                 std::vector<std::string>* order) const;

  std::string folder_;
  std::map<std::string, Module, std::less<>> modules_;
  std::set<std::string, std::less<>> builtin_;
  std::vector<std::pair<std::string, std::string>> aliases_;  // pattern, module
  std::map<std::string, Soft, std::less<>> soft_;
};

}  // namespace hmem::loader
