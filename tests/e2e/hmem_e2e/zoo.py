# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what runs in the guest: tests/zoo, the module that fails on request, and the witness."""
import os
import shutil

from . import paths
from .errors import Failure
from .shell import run


def module(kernel):
    """quartz.ko for a kernel, with split BTF on that kernel's."""
    sources = [paths.ZOO / "quartz.c", paths.ZOO / "Makefile"]

    def fill(folder):
        for source in sources:
            shutil.copy(source, folder)
        built = run(["make", "-C", kernel.headers, f"M={folder}", "W=1", "PAHOLE=pahole", "RESOLVE_BTFIDS=true",
                     f"-j{os.cpu_count()}", "modules"])
        said = built.stdout + built.stderr
        if "warning:" in said:
            raise Failure(f"tests/zoo: the compiler warns: {said}")
        if ".BTF" not in run(["readelf", "-SW", folder / "quartz.ko"]).stdout:
            raise Failure(f"tests/zoo: quartz.ko got no BTF: {said}")
        run(["strip", "--strip-debug", folder / "quartz.ko"])

    folder = paths.cached_folder(f"zoo/{kernel.release}-{paths.digest_of(*sources)}", fill)
    return folder / "quartz.ko"


def witness():
    source = paths.ROOT / "tests" / "e2e" / "witness" / "witness.c"

    def fill(folder):
        run(["gcc-12", "-static", "-pthread", "-O2", "-Wall", "-Wextra", "-Werror", "-o", folder / "witness", source])

    return paths.cached_folder(f"zoo/witness-{paths.digest_of(source)}", fill) / "witness"
