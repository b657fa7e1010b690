# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-tidy-19 on what changed since `--base` (default: the last commit, and what is not committed).

Reads the compile commands of build/dev (g++'s; clang-19 takes them) or of build/fuzz.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess

from tree import judged, skipped

PROGRAM = "clang-tidy-19"
DIAGNOSTIC = re.compile(r"^(?P<place>\S+:\d+:\d+): (?:warning|error): (?P<text>.*)$")
# The compiler's own warnings are the compiler's business; the build has them as errors.
ARGUMENTS = ["--quiet", "--extra-arg=-Wno-unknown-warning-option",
             "--extra-arg=-Wno-unused-command-line-argument",
             "--extra-arg=-Wno-deprecated-declarations"]


def compile_database(tree):
    """(folder, {relative path: entry}) of the first configured build; None without one."""
    for preset in ("dev", "fuzz"):
        path = tree.build / preset / "compile_commands.json"
        if path.is_file():
            entries = {}
            for entry in json.loads(path.read_text(encoding="utf-8")):
                file = pathlib.Path(entry["directory"], entry["file"]).resolve()
                if file.is_relative_to(tree.root):
                    entries[file.relative_to(tree.root).as_posix()] = entry
            return path.parent, entries
    return None


def translation_units(changed, database):
    """What to compile so that every changed source and header is seen once."""
    units = set()
    for name in changed:
        path = pathlib.PurePath(name)
        if path.suffix in (".cc", ".c"):
            units |= {name} & database.keys()
        elif path.suffix == ".h":
            source = path.with_suffix(".cc").as_posix()
            test = f"tests/unit/{path.with_suffix('').as_posix()}_test.cc"
            units |= set([u for u in (source, test) if u in database][:1])
    return sorted(units)


def tidy(tree, folder, name):
    done = subprocess.run([PROGRAM, "-p", str(folder), *ARGUMENTS, name], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    problems = []
    for line in done.stdout.splitlines():
        found = DIAGNOSTIC.match(line)
        if found:
            place = found.group("place").removeprefix(f"{tree.root}/")
            problems.append(f"{place}: {found.group('text')}")
    if done.returncode != 0 and not problems:
        problems = [f"{name}: {line}" for line in done.stderr.splitlines()[-3:]]
    return problems


def check(tree):
    if shutil.which(PROGRAM) is None:
        return skipped(f"{PROGRAM} is not installed")
    database = compile_database(tree)
    if database is None:
        return skipped("nothing configured: cmake --preset dev")
    folder, entries = database
    changed = tree.changed_files()
    if changed is None:
        return judged([f"no revision '{tree.base}'"])
    units = [u for u in translation_units(changed, entries) if not u.startswith("build/")]
    if any("hmem_proto" not in str(e) for e in entries.values()) and not list(
            (folder / "proto").glob("hmem/v1/*.pb.h")):
        return skipped(f"generated headers are missing: cmake --build {folder.name} first")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda unit: tidy(tree, folder, unit), units)
    return judged(sorted({problem for result in results for problem in result}))
