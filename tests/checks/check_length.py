# SPDX-License-Identifier: GPL-2.0-or-later
"""Warns of source files past 600 lines: which second concept moved in? Never fails."""

import pathlib

from tree import passed

LIMIT_LINES = 600
SUFFIXES = {".h", ".c", ".cc", ".py", ".proto", ".cmake", ".sh"}


def check(tree):
    warnings = []
    for name in tree.files():
        if pathlib.PurePath(name).suffix in SUFFIXES:
            lines = len((tree.read(name) or "").splitlines())
            if lines > LIMIT_LINES:
                warnings.append(f"{name}: {lines} lines")
    return passed(warnings)
