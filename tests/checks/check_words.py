# SPDX-License-Identifier: GPL-2.0-or-later
"""No paths of one machine, no package hosts, nothing left for later, no file named for nothing."""

import pathlib
import re

from tree import judged

# Spelled so that this file does not find itself.
RULES = [
    ("path of one machine", re.compile("/ro" + "ot/|/tmp/(?:w" + "t|in" + "st|bri" + "ef)\\b|/wo" + "rk/")),
    ("registry host", re.compile("://[^\\s\"'`]*(?:deb" + "ian|np" + "mjs|py" + "pi|crates)\\.(?:org|io|com)")),
    ("left for later", re.compile("\\b(?:TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b")),
    ("test switched off", re.compile("\\bDIS" + "ABLED_[A-Z]")),
]
NAMELESS = re.compile(r"(?:^|_)(?:util|utils|common|misc|helpers?)(?:_|$)")
# Not ours to word: licence texts, kernel text that tests feed to the parsers, generated lists.
EXEMPT = re.compile(r"^LICENSES/|^tests/fuzz/corpus/|^tests/golden/.*\.(?:log|txt|expected)$|\.patch$")


def check(tree):
    problems = []
    for name in tree.files():
        for part in pathlib.PurePath(name).parts:
            if NAMELESS.search(part.split(".")[0]):
                problems.append(f"{name}: '{part}' names no concept")
        if EXEMPT.search(name):
            continue
        text = tree.read(name)
        for number, line in enumerate((text or "").splitlines(), 1):
            for what, pattern in RULES:
                found = pattern.search(line)
                if found:
                    problems.append(f"{name}:{number}: {what}: {found.group(0)}")
    return judged(problems)
