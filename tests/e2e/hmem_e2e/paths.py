# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things lie: the tree, its build folders, the cache that survives ./dev clean."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / "build"
RUNS = BUILD / "e2e"
ZOO = ROOT / "tests" / "zoo"
DRIVER = ROOT / "hmem" / "driver"


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(base) / "hmem"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(name):
    """Two runs may share the cache; one of them fills it."""
    with open(cache() / f"{name}.lock", "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cached_folder(name, fill):
    """The folder `name` of the cache, filled by fill(path) once; half-filled ones are never seen."""
    folder = cache() / name
    if folder.is_dir():
        return folder
    with locked(name.replace("/", "_")):
        if folder.is_dir():
            return folder
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        fill(partial)
        partial.rename(folder)
    return folder


def digest_of(*things):
    """A short key over files (their content), folders (all their files) and text."""
    key = hashlib.sha256()
    for thing in things:
        if isinstance(thing, pathlib.Path):
            files = sorted(p for p in thing.rglob("*") if p.is_file()) if thing.is_dir() else [thing]
            for file in files:
                key.update(file.name.encode() + b"\0" + file.read_bytes())
        else:
            key.update(str(thing).encode() + b"\0")
    return key.hexdigest()[:20]


def program(preset, name):
    """A program of ours in the build folder of a preset; "capture-faults" has those of "capture" that obey injected
    faults."""
    if preset == "capture-faults":
        return BUILD / "capture" / "faults" / name
    places = {"hmem-init": "capture-kernel/init", "device-test": "tests/device", "truth_map": "tests/classes",
              "class_map": "tests/classes"}
    return BUILD / preset / places.get(name, f"dumptools/tools/{name}") / name
