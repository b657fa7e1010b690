# SPDX-License-Identifier: GPL-2.0-or-later
"""Every file says its licence in its first lines, or LICENSES/unmarked says it for the file."""

import fnmatch
import re

from tree import judged

TAG = re.compile(r"SPDX-License-Identifier: ([^*\n]+?)\s*(?:\*/|-->|$)", re.MULTILINE)
# What the kernel writes for GPL-2.0-only.
ALIASES = {"GPL-2.0": "GPL-2.0-only", "GPL-2.0+": "GPL-2.0-or-later"}
# Code that is linked into a kernel must say so; the header shared with it has the syscall note.
KERNEL_CODE = ("hmem/driver/*.c", "hmem/driver/*.h", "tests/zoo/*.c", "tests/zoo/*.h")
UAPI = ("hmem/uapi/*.h",)


def unmarked_patterns(tree):
    text = tree.read("LICENSES/unmarked") or ""
    rows = [line.split(None, 2) for line in text.splitlines()]
    return [row[0] for row in rows if row and not row[0].startswith("#")]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def check(tree):
    patterns = unmarked_patterns(tree)
    texts = {f.removeprefix("LICENSES/").removesuffix(".txt") for f in tree.files()
             if f.startswith("LICENSES/") and f.endswith(".txt")}
    problems = []
    for name in tree.files():
        text = tree.read(name)
        tag = TAG.search("\n".join(text.splitlines()[:5])) if text else None
        if tag is None:
            if text != "" and not matches(name, patterns):
                problems.append(f"{name}: no SPDX line in its first 5 lines")
            continue
        expression = tag.group(1)
        for word in re.split(r"\s+(?:WITH|OR|AND)\s+|[()]", expression):
            if word and ALIASES.get(word, word) not in texts:
                problems.append(f"{name}: no text of '{word}' in LICENSES/")
        if matches(name, KERNEL_CODE) and "GPL-2.0" not in re.split(r"[\s()]+", expression):
            problems.append(f"{name}: kernel code is GPL-2.0, not '{expression}'")
        if matches(name, UAPI) and expression != "GPL-2.0 WITH Linux-syscall-note":
            problems.append(f"{name}: a UAPI header is 'GPL-2.0 WITH Linux-syscall-note'")
    return judged(problems)
