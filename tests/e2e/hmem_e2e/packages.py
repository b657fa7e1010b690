# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages unpacked side by side into one folder, without being installed: no script of theirs runs."""
import re

from . import paths
from .errors import Failure
from .shell import run


def _closure(package, without):
    """`package` and all that it depends on, less `without`."""
    quiet = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    shown = run(["apt-cache", "depends", "--recurse", *quiet, package], check=False).stdout
    names = {line for line in shown.splitlines() if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", line)}
    return sorted(names - set(without))


def _versions(names):
    shown = run(["apt-cache", "show", "--no-all-versions", *names], check=False).stdout
    return dict(re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", shown, re.MULTILINE | re.DOTALL))


def unpacked(package, without=()):
    """A folder of the cache with `package` and what it needs, as the package files have it; by their versions."""
    names = _closure(package, without)
    versions = _versions(names) if names else {}
    if package not in versions:
        run(["apt-get", "-q", "update"], check=False)
        names = _closure(package, without)
        versions = _versions(names) if names else {}
    if missing := [name for name in names or [package] if name not in versions]:
        raise Failure(f"apt knows no package {' '.join(missing)}")

    def fill(folder):
        wanted = [f"{name}={version}" for name, version in sorted(versions.items())]
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *wanted]
        if run(command, cwd=folder, check=False).returncode != 0:
            raise Failure(f"apt-get download {' '.join(wanted)} failed; apt-get update may help")
        for archive in sorted(folder.glob("*.deb")):
            run(["dpkg", "-x", archive, folder / "root"])
            archive.unlink()

    key = paths.digest_of(*(f"{name}={version}" for name, version in sorted(versions.items())))
    return paths.cached_folder(f"packages/{package}-{key}", fill) / "root"
