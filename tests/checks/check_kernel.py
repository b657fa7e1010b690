# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments say why in every line, profiles name fragments that exist, every series is whole, every patch is signed off and
its copies of the driver are fresh."""

import re
import sys

from tree import judged

PATCH_NAME = re.compile(r"\d{4}-[A-Za-z0-9][A-Za-z0-9._-]*\.patch")


def check(tree):
    sys.path.insert(0, str(tree.root / "tests" / "e2e"))
    from hmem_e2e import kernel_config, kernel_copies, kernel_series  # pylint: disable=import-outside-toplevel
    from hmem_e2e.errors import Failure  # pylint: disable=import-outside-toplevel

    problems = []
    folder = tree.root / "capture-kernel" / "config"
    used = set()
    for release in sorted(p.parent for p in (tree.root / "kernel").glob("*/base")):
        shown = release.relative_to(tree.root)
        try:
            listed = kernel_series.patches(release)
            for profile in kernel_config.profile_names(folder):
                files = kernel_config.fragments(profile, release, folder)
                used.update(files)
                kernel_config.merge(files)
        except (Failure, FileNotFoundError) as error:
            problems.append(str(error))
            continue
        for patch in listed:
            if not PATCH_NAME.fullmatch(patch.name):
                problems.append(f"{shown}/{patch.name}: not named NNNN-what.patch")
            if not re.search(r"^Signed-off-by: .+ <.+@.+>$", patch.read_text(encoding="utf-8"), re.MULTILINE):
                problems.append(f"{shown}/{patch.name}: no Signed-off-by line")
            problems += [f"{shown}/{patch.name}: {name} is not what it is a copy of; run kernel/refresh"
                         for name in kernel_copies.stale(tree.root, patch)]
        for patch in sorted(set(release.glob("*.patch")) - set(listed)):
            problems.append(f"{shown}/{patch.name}: not in the series")
        if [p.name for p in listed] != sorted(p.name for p in listed):
            problems.append(f"{shown}/series: not in the order of the patches' numbers")
    for file in sorted(set(folder.glob("*.config")) - used):
        problems.append(f"{file.relative_to(tree.root)}: in no profile")
    return judged(problems)
