# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of patches (kernel/RELEASE: base, series, *.patch) and a kernel tree that it is applied to and taken off again."""
import json
import pathlib
import re
import shutil
import tempfile

from . import paths
from .errors import Failure
from .shell import run

_HEADER = re.compile(r"^(?:---|\+\+\+) (\S+)", re.MULTILINE)
# Inside the tree: what was there before, and which files the patches touched.
_ORIGINALS = ".hmem-originals"
_TOUCHED = ".hmem-touched"


def _lines(file):
    lines = (line.strip() for line in file.read_text(encoding="ascii").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def patches(folder):
    """Files of the series, in order."""
    found = []
    for name in _lines(folder / "series"):
        if not (folder / name).is_file():
            raise Failure(f"{folder / 'series'}: {name}: no such patch")
        found.append(folder / name)
    return found


def base(folder):
    """The kernel version on which the series is exact."""
    (version,) = _lines(folder / "base")
    return version


def tree_version(tree):
    """"6.1.192" of a kernel tree's Makefile."""
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", (tree / "Makefile").read_text(encoding="ascii"),
                             re.MULTILINE))
    return ".".join(fields[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))


def touched(patch):
    """Paths in the tree that a patch changes, makes or removes."""
    names = set()
    for name in _HEADER.findall(patch.read_text(encoding="utf-8", errors="replace")):
        if name != "/dev/null" and name[:2] in ("a/", "b/"):
            names.add(name[2:])
    return names


def _rejects(text):
    """"file: hunk 2 at line 30" for each hunk that patch(1) did not find a place for."""
    file, found = "?", []
    for line in text.splitlines():
        # The second is what it quotes of a patch whose file is not there.
        if match := re.match(r"patching file '?([^' ]+)", line) or re.match(r"\|\+\+\+ b/(\S+)", line):
            file = match.group(1)
        elif match := re.match(r"Hunk #(\d+) (?:FAILED|NOT MERGED) at (\d+)", line):
            found.append(f"{file}: hunk {match.group(1)} at line {match.group(2)}")
        elif re.search(r"No file to patch|already exists|Reversed \(or previously applied\)", line):
            found.append(f"{file}: {line}")
    return found


def _apply_one(tree, patch, fuzz):
    command = ["patch", "-p1", "--batch", "--forward", "--no-backup-if-mismatch", "--reject-file=-"]
    with open(patch, "rb") as text:
        done = run(command + ([] if fuzz else ["--fuzz=0"]), cwd=tree, check=False, stdin=text)
    if done.returncode != 0:
        said = done.stdout + done.stderr
        raise Failure(f"{patch.name}: does not apply to {tree_version(tree)}: {'; '.join(_rejects(said)) or said.strip()}")


def _claim_git_agrees(tree, originals, files, series):
    """The series through git am, on a repository of just the files that it touches, comes to the same."""
    with tempfile.TemporaryDirectory() as scratch:
        repository = pathlib.Path(scratch)
        shutil.copytree(originals, repository, dirs_exist_ok=True)
        git = ["git", "-c", "user.name=hmem", "-c", "user.email=hmem@localhost", "-c", "commit.gpgsign=false",
               "-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null"]
        run(git + ["init", "-q"], cwd=repository)
        run(git + ["add", "-A", "-f"], cwd=repository)
        run(git + ["commit", "-q", "--allow-empty", "-m", "base"], cwd=repository)
        for patch in series:
            done = run(git + ["am", "-q", "--keep-cr", patch], cwd=repository, check=False)
            if done.returncode != 0:
                raise Failure(f"{patch.name}: git am: {(done.stderr + done.stdout).strip()}")
        for name in files:
            ours, theirs = tree / name, repository / name
            if ours.exists() != theirs.exists() or ours.exists() and ours.read_bytes() != theirs.read_bytes():
                raise Failure(f"{name}: git am and patch come to different files")


def restore(tree):
    """Takes off what apply() has put on, also after a failure in the middle."""
    record = tree / _TOUCHED
    if not record.exists():
        return
    for name in json.loads(record.read_text(encoding="ascii")):
        original = tree / _ORIGINALS / name
        if original.exists():
            # Not with its old time: make must see that it has changed.
            shutil.copyfile(original, tree / name)
        else:
            (tree / name).unlink(missing_ok=True)
    record.unlink()
    shutil.rmtree(tree / _ORIGINALS, ignore_errors=True)


def apply(tree, folder):
    """Applies the series. On the release that it was made for every hunk must fit exactly, and git am must agree; on
    another one patch(1) may look for the place, and what it does not find is named."""
    restore(tree)
    series = patches(folder)
    exact = tree_version(tree) == base(folder)
    files = sorted(set().union(*map(touched, series)))
    originals = tree / _ORIGINALS
    shutil.rmtree(originals, ignore_errors=True)
    originals.mkdir()
    for name in files:
        if (tree / name).exists():
            (originals / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / name, originals / name)
    (tree / _TOUCHED).write_text(json.dumps(files), encoding="ascii")
    for patch in series:
        _apply_one(tree, patch, fuzz=not exact)
    if exact and series:
        _claim_git_agrees(tree, originals, files, series)


def digest(folder):
    """Of all that decides about the patched tree."""
    return paths.digest_of(*patches(folder), base(folder))
