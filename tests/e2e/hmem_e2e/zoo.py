# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what runs in the guest: the modules of tests/zoo, hmem.ko, small static programs."""
import os
import shutil

from . import paths
from .errors import Failure
from .shell import run


def _build(kernel, folder, *names):
    """Makes each NAME.ko of a folder of sources for a kernel; a warning is a failure."""
    built = run(["make", "-C", kernel.headers, f"M={folder}", "W=1", "PAHOLE=pahole", "RESOLVE_BTFIDS=true",
                 f"-j{os.cpu_count()}", "modules"])
    said = built.stdout + built.stderr
    if "warning:" in said:
        raise Failure(f"{' '.join(names)}: the compiler warns: {said}")
    for name in names:
        if ".BTF" not in run(["readelf", "-SW", folder / f"{name}.ko"]).stdout:
            raise Failure(f"{name}.ko got no BTF: {said}")
        run(["strip", "--strip-debug", folder / f"{name}.ko"])


def modules(kernel):
    """The folder with each module of tests/zoo for a kernel, with split BTF on that kernel's."""
    sources = sorted(paths.ZOO.glob("*.c"))

    def fill(folder):
        for source in [*sources, paths.ZOO / "Makefile"]:
            shutil.copy(source, folder)
        _build(kernel, folder, *(source.stem for source in sources))

    return paths.cached_folder(f"zoo/{kernel.name}-{paths.digest_of(*sources, paths.ZOO / 'Makefile')}", fill)


def driver(kernel):
    """hmem.ko for a stock kernel, built against its headers as dkms does."""

    def fill(folder):
        # include/linux/hmem.h is a link to the header that the tools read, too.
        shutil.copytree(paths.DRIVER, folder, dirs_exist_ok=True)
        _build(kernel, folder, "hmem")

    folder = paths.cached_folder(f"driver/{kernel.release}-{paths.digest_of(paths.DRIVER)}", fill)
    return folder / "hmem.ko"


def _program(source, *words):
    def fill(folder):
        run(["gcc-12", "-pthread", "-O2", "-Wall", "-Wextra", "-Werror", "-o", folder / source.stem, source, *words])

    return paths.cached_folder(f"zoo/{source.stem}-{paths.digest_of(source)}", fill) / source.stem


def program(name):
    """A program of one file in a folder of tests/e2e, "witness/witness" for example, static."""
    return _program(paths.ROOT / "tests" / "e2e" / f"{name}.c", "-static")


def host_program(name, *libraries):
    """The same in tests, for the host."""
    return _program(paths.ROOT / "tests" / f"{name}.c", *libraries)
