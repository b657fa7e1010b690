# SPDX-License-Identifier: GPL-2.0-or-later
"""`cmake --install build/release` with DESTDIR puts both builds where the papers say, and leaves what was edited alone."""

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
    ("usr/share/doc/hmem/kdump-arm.conf", False),
    ("usr/share/man/man1/hmemscope.1", False),
    ("usr/share/man/man5/kdump-arm.conf.5", False),
    ("usr/share/man/man8/hmem-init.8", False),
    ("usr/share/man/man8/hmemdump.8", False),
    ("usr/share/man/man8/kdump-arm.8", False),
    ("usr/share/bash-completion/completions/hmemscope", False),
    ("usr/share/bash-completion/completions/hmemdump", False),
    ("usr/share/bash-completion/completions/kdump-arm", False),
    ("usr/share/doc/hmem/README.md", False),
    ("usr/src/hmem-0.1.0/Kbuild", False),
    ("usr/src/hmem-0.1.0/dkms.conf", False),
    ("usr/src/hmem-0.1.0/hmem_main.c", False),
    ("usr/src/hmem-0.1.0/include/linux/hmem.h", False),
]
CONFIGURATION = "etc/hmem/kdump-arm.conf"
CRASHES = "var/crash"
EDITED = "# edited\n"


def compare(destination):
    """What is missing, not executable, or installed twice in one place it has no business in."""
    problems = []
    for name, executable in LAYOUT:
        path = destination / name
        if not path.is_file():
            problems.append(f"/{name}: not installed")
        elif executable and not os.access(path, os.X_OK):
            problems.append(f"/{name}: not executable")
    crashes = destination / CRASHES
    if not crashes.is_dir():
        problems.append(f"/{CRASHES}: not installed")
    elif crashes.stat().st_mode & 0o7777 != 0o700:
        problems.append(f"/{CRASHES}: mode {crashes.stat().st_mode & 0o7777:o}, wanted 700")
    programs = {name for name, executable in LAYOUT if executable}
    for path in sorted(destination.rglob("*")):
        name = path.relative_to(destination).as_posix()
        if path.is_file() and path.parent.name in ("bin", "sbin", "hmem") and os.access(path, os.X_OK) \
                and name not in programs:
            problems.append(f"/{name}: installed, but in no paper")
    return problems


def install(build, destination):
    """What went wrong: the last lines of cmake's own words."""
    done = subprocess.run(["cmake", "--install", str(build)], capture_output=True, text=True,
                          env={**os.environ, "DESTDIR": str(destination)}, check=False)
    return (done.stderr or done.stdout).strip().splitlines()[-3:] if done.returncode != 0 else []


def check(tree):
    release, capture = tree.build / "release", tree.build / "capture"
    wanted = [release / p for p in PRODUCTS] + [capture / p for p in CAPTURE_PRODUCTS]
    missing = [p for p in wanted if not p.is_file()]
    if missing:
        return skipped(f"not built: {os.path.relpath(missing[0], tree.root)}")
    with tempfile.TemporaryDirectory() as folder:
        destination = pathlib.Path(folder)
        problems = install(release, destination) or compare(destination)
        if problems:
            return judged(problems)
        (destination / CONFIGURATION).write_text(EDITED, encoding="ascii")
        problems = install(release, destination)
        if not problems and (destination / CONFIGURATION).read_text(encoding="ascii") != EDITED:
            problems.append(f"/{CONFIGURATION}: installed over what was edited")
        return judged(problems)
