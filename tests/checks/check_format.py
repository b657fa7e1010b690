# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-format-19 would change nothing. Folders with another style have their own .clang-format."""

import shutil
import subprocess

from tree import judged, skipped

PROGRAM = "clang-format-19"


def check(tree):
    if shutil.which(PROGRAM) is None:
        return skipped(f"{PROGRAM} is not installed")
    names = tree.c_files()
    if not names:
        return judged([])
    done = subprocess.run([PROGRAM, "--dry-run", "--ferror-limit=1", *names], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    problems = [line.replace(" [-Wclang-format-violations]", "")
                for line in done.stderr.splitlines() if "-Wclang-format-violations" in line]
    if done.returncode != 0 and not problems:
        problems = done.stderr.splitlines() or [f"{PROGRAM} failed with {done.returncode}"]
    return judged(problems)
