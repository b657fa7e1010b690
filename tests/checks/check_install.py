# SPDX-License-Identifier: GPL-2.0-or-later
"""`cmake --install build/release` with DESTDIR puts both builds where the papers say."""

import os
import pathlib
import subprocess
import tempfile

from tree import judged, skipped

PRODUCTS = ["dumptools/tools/hmemscope/hmemscope", "dumptools/tools/kdump-arm/kdump-arm",
            "dumptools/tools/hmemdump/hmemdump"]
CAPTURE_PRODUCTS = ["capture-kernel/init/hmem-init", "dumptools/tools/hmemdump/hmemdump"]
# Path below DESTDIR, and whether it must be executable.
LAYOUT = [
    ("usr/bin/hmemscope", True),
    ("usr/sbin/hmemdump", True),
    ("usr/sbin/kdump-arm", True),
    ("usr/lib/hmem/hmem-init", True),
    ("usr/lib/hmem/hmemdump", True),
    ("etc/hmem/kdump-arm.conf", False),
    ("usr/lib/systemd/system/kdump-arm.service", False),
    ("usr/share/man/man1/hmemscope.1", False),
    ("usr/share/man/man8/hmemdump.8", False),
    ("usr/share/man/man8/kdump-arm.8", False),
    ("usr/share/bash-completion/completions/hmemscope", False),
    ("usr/share/bash-completion/completions/hmemdump", False),
    ("usr/share/bash-completion/completions/kdump-arm", False),
    ("usr/share/doc/hmem/README.md", False),
]


def compare(destination):
    """What is missing, not executable, or installed twice in one place it has no business in."""
    problems = []
    for name, executable in LAYOUT:
        path = destination / name
        if not path.is_file():
            problems.append(f"/{name}: not installed")
        elif executable and not os.access(path, os.X_OK):
            problems.append(f"/{name}: not executable")
    programs = {name for name, executable in LAYOUT if executable}
    for path in sorted(destination.rglob("*")):
        name = path.relative_to(destination).as_posix()
        if path.is_file() and path.parent.name in ("bin", "sbin", "hmem") and os.access(path, os.X_OK) \
                and name not in programs:
            problems.append(f"/{name}: installed, but in no paper")
    return problems


def check(tree):
    release, capture = tree.build / "release", tree.build / "capture"
    wanted = [release / p for p in PRODUCTS] + [capture / p for p in CAPTURE_PRODUCTS]
    missing = [p for p in wanted if not p.is_file()]
    if missing:
        return skipped(f"not built: {os.path.relpath(missing[0], tree.root)}")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["cmake", "--install", str(release)], capture_output=True, text=True,
                              env={**os.environ, "DESTDIR": folder}, check=False)
        if done.returncode != 0:
            return judged((done.stderr or done.stdout).strip().splitlines()[-3:])
        return judged(compare(pathlib.Path(folder)))
