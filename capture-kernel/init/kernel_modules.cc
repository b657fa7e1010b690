// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture-kernel/init/kernel_modules.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "hmem/base/fd.h"

namespace hmem::init {

Status LoadModule(const std::string& path, const std::string& options) {
  HMEM_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  if (::syscall(SYS_finit_module, fd.get(), options.c_str(), 0) == 0 || errno == EEXIST) return {};
  return FailErrno(fmt::format("{}: finit_module", path), errno);
}

}  // namespace hmem::init
