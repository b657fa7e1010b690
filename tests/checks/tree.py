# SPDX-License-Identifier: GPL-2.0-or-later
"""The source tree as the checks see it, and what a check answers."""

import dataclasses
import os
import pathlib
import subprocess

C_SUFFIXES = {".h", ".c", ".cc"}


@dataclasses.dataclass
class Outcome:
    """PASS, FAIL or SKIP, with one line for every place that is wrong (or why it was skipped)."""

    state: str
    lines: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def passed(warnings=()):
    return Outcome("PASS", warnings=list(warnings))


def judged(problems, warnings=()):
    return Outcome("FAIL" if problems else "PASS", list(problems), list(warnings))


def skipped(reason):
    return Outcome("SKIP", [reason])


class Tree:
    """`base` is the revision that `changed_files` compares with; `build` holds the build folders."""

    def __init__(self, root, base=None, build=None):
        self.root = pathlib.Path(root).resolve()
        self.base = base
        self.build = pathlib.Path(build).resolve() if build else self.root / "build"
        self._files = None

    def git(self, *arguments):
        """Output lines of a git command, or None when it failed (no repository, no such revision)."""
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.splitlines() if done.returncode == 0 else None

    def files(self):
        """Paths of the files that belong to the tree, relative, sorted; what git ignores does not."""
        if self._files is None:
            names = None
            if (self.root / ".git").exists():
                names = self.git("ls-files", "--cached", "--others", "--exclude-standard")
            if names is None:
                names = []
                for folder, folders, plain in os.walk(self.root):
                    folders[:] = [f for f in folders if f not in ("build", ".git", "__pycache__")]
                    names += [os.path.relpath(os.path.join(folder, f), self.root) for f in plain]
            self._files = sorted(n for n in set(names) if (self.root / n).is_file())
        return self._files

    def c_files(self):
        return [f for f in self.files() if pathlib.PurePath(f).suffix in C_SUFFIXES]

    def changed_files(self):
        """Files that differ from `base` (default: the commit before HEAD; in a clone of one commit
        HEAD itself), those not committed too. None: there is no such revision."""
        has_parent = self.git("rev-parse", "-q", "--verify", "HEAD~1")
        base = self.base or ("HEAD~1" if has_parent else "HEAD")
        names = self.git("diff", "--name-only", "--diff-filter=d", base)
        if names is None:
            return None
        others = self.git("ls-files", "--others", "--exclude-standard") or []
        return sorted(set(names) | set(others))

    def read(self, name):
        """Text of a file; None when it is not text."""
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            return None
