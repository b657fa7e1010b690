# SPDX-License-Identifier: GPL-2.0-or-later
"""Links and paths that the documents name exist; the support matrix knows every architecture."""

import pathlib
import posixpath
import re

from tree import judged

LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([A-Za-z0-9_.\-/]+)`")
MATRIX = "docs/support-matrix.md"


def exists(tree, name):
    return (tree.root / name).exists()


def check(tree):
    tops = {pathlib.PurePath(f).parts[0] for f in tree.files() if "/" in f}
    problems = []
    for name in tree.files():
        if not name.endswith(".md"):
            continue
        for number, line in enumerate((tree.read(name) or "").splitlines(), 1):
            for target in LINK.findall(line):
                path = target.split("#")[0]
                if not path or "://" in path or path.startswith("mailto:"):
                    continue
                if not exists(tree, posixpath.join(posixpath.dirname(name), path)):
                    problems.append(f"{name}:{number}: link to {path}: no such file")
            for path in QUOTED.findall(line):
                if "/" in path and path.split("/")[0] in tops and not exists(tree, path):
                    problems.append(f"{name}:{number}: `{path}`: no such file")
    archs = {pathlib.PurePath(f).parts[1] for f in tree.files()
             if f.startswith("arch/") and f.endswith(".cc") and f.count("/") >= 2}
    matrix = tree.read(MATRIX)
    if matrix is not None:
        for arch in sorted(archs):
            if not re.search(rf"\b{re.escape(arch)}\b", matrix):
                problems.append(f"{MATRIX}: has no row for arch/{arch}")
    return judged(problems)
