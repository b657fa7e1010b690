# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what runs in the guest: tests/zoo, the module that fails on request; the witness; hmem.ko."""
import os
import shutil

from . import paths
from .errors import Failure
from .shell import run


def _build(kernel, folder, name):
    """Makes NAME.ko of a folder of sources for a kernel; a warning is a failure."""
    built = run(["make", "-C", kernel.headers, f"M={folder}", "W=1", "PAHOLE=pahole", "RESOLVE_BTFIDS=true",
                 f"-j{os.cpu_count()}", "modules"])
    said = built.stdout + built.stderr
    if "warning:" in said:
        raise Failure(f"{name}.ko: the compiler warns: {said}")
    if ".BTF" not in run(["readelf", "-SW", folder / f"{name}.ko"]).stdout:
        raise Failure(f"{name}.ko got no BTF: {said}")
    run(["strip", "--strip-debug", folder / f"{name}.ko"])


def module(kernel):
    """quartz.ko for a kernel, with split BTF on that kernel's."""
    sources = [paths.ZOO / "quartz.c", paths.ZOO / "Makefile"]

    def fill(folder):
        for source in sources:
            shutil.copy(source, folder)
        _build(kernel, folder, "quartz")

    folder = paths.cached_folder(f"zoo/{kernel.name}-{paths.digest_of(*sources)}", fill)
    return folder / "quartz.ko"


def driver(kernel):
    """hmem.ko for a stock kernel, built against its headers as dkms does."""

    def fill(folder):
        # include/linux/hmem.h is a link to the header that the tools read, too.
        shutil.copytree(paths.DRIVER, folder, dirs_exist_ok=True)
        _build(kernel, folder, "hmem")

    folder = paths.cached_folder(f"driver/{kernel.release}-{paths.digest_of(paths.DRIVER)}", fill)
    return folder / "hmem.ko"


def witness():
    source = paths.ROOT / "tests" / "e2e" / "witness" / "witness.c"

    def fill(folder):
        run(["gcc-12", "-static", "-pthread", "-O2", "-Wall", "-Wextra", "-Werror", "-o", folder / "witness", source])

    return paths.cached_folder(f"zoo/witness-{paths.digest_of(source)}", fill) / "witness"
