# SPDX-License-Identifier: GPL-2.0-or-later
"""Library code never prints: only programs and tests write to stdout and stderr."""

import re

from tree import judged

LIBRARIES = ("hmem/base/", "hmem/codec/", "hmem/format/", "hmem/source/", "hmem/space/", "arch/",
             "dumptools/")
PROGRAMS = ("dumptools/tools/",)
PRINTS = re.compile(r"\bstd::(?:cout|cerr|clog)\b|\bfmt::print(?:ln)?\s*\(|\b(?:std::)?(?:f?printf|puts|perror)\s*\("
                    r"|\bSTD(?:OUT|ERR)_FILENO\b")


def check(tree):
    problems = []
    for name in tree.c_files():
        if not name.startswith(LIBRARIES) or name.startswith(PROGRAMS):
            continue
        for number, line in enumerate((tree.read(name) or "").splitlines(), 1):
            code = re.sub(r'"(?:\\.|[^"\\])*"', '""', line).split("//")[0]
            found = PRINTS.search(code)
            if found:
                problems.append(f"{name}:{number}: {found.group(0).rstrip('(').strip()} in a library")
    return judged(problems)
