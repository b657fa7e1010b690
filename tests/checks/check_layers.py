# SPDX-License-Identifier: GPL-2.0-or-later
"""Arrows point down only: every #include against the rooms table of docs/architecture.md.

The table is the one source of truth; a row is `| level | room | holds | may include | libdw |`.
"may include" lists levels ("1-4", "0"), rooms in backticks, "all", and after "without" rooms taken
out again. A room may always include itself. "never" in the last column means that nothing the room
reaches through its includes may touch libdw.
"""

import dataclasses
import pathlib
import re

from tree import judged

TABLE = "docs/architecture.md"
HEADING = "## Rooms"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
LIBDW = re.compile(r"^(?:elfutils/libdw|elfutils/known-dwarf|dwarf\.h|libdw)")
PROTOBUF = "google/protobuf/"
GENERATED_PROTO = re.compile(r"^hmem/v1/\w+\.pb\.h$")
COMMAND_LINE = "CLI/"
# Kernel code is built by Kbuild against kernel headers; it is not part of these libraries.
KERNEL_CODE = ("hmem/driver/", "kernel/", "tests/zoo/")


@dataclasses.dataclass
class Room:
    level: int | None
    path: str  # "hmem/source/"; "<tool>" stands for one folder name
    may_include: str
    never_libdw: bool

    def __post_init__(self):
        escaped = re.escape(self.path)
        self.pattern = re.compile("(" + re.sub(r"<\w+>", "[^/]+", escaped) + ")")


class Rooms:
    def __init__(self, text):
        self.rooms = []
        section = text.split(HEADING + "\n", 1)[1].split("\n## ", 1)[0] if HEADING in text else ""
        for line in section.splitlines():
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if len(cells) != 5 or not re.fullmatch(r"\d+|-", cells[0]):
                continue
            path = cells[1].strip("`")
            level = None if cells[0] == "-" else int(cells[0])
            self.rooms.append(Room(level, path, cells[3], cells[4] == "never"))

    def of(self, name):
        """(room, its folder as it is there) of a file; the longest match wins. None: in no room."""
        best = None
        for room in self.rooms:
            found = room.pattern.match(name)
            if found and (best is None or len(found.group(1)) > len(best[1])):
                best = (room, found.group(1))
        return best

    def allows(self, user, used):
        """Whether room `user` may include room `used`."""
        if user.may_include == "all":
            return True
        allowed, _, without = user.may_include.partition("without")
        if f"`{used.path}`" in without:
            return False
        if f"`{used.path}`" in allowed:
            return True
        for first, last in re.findall(r"\b(\d+)(?:-(\d+))?\b", re.sub(r"`[^`]*`", "", allowed)):
            if used.level is not None and int(first) <= used.level <= int(last or first):
                return True
        return False


def includes(text):
    """(line, quoted, path) of every #include."""
    for found in INCLUDE.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found.group(1) == '"', found.group(2)


def target_of(quoted, path):
    """The path inside the tree that an include stands for; None for the system's."""
    if GENERATED_PROTO.match(path) or path.startswith(PROTOBUF):
        return "proto/" + path
    return path if quoted else None


def reaches_libdw(name, graph, seen):
    """The chain of files from `name` to a libdw header; empty when there is none."""
    for _, quoted, path in graph.get(name, ()):
        if not quoted and LIBDW.match(path):
            return [name, f"<{path}>"]
        if quoted and path in graph and path not in seen:
            seen.add(path)
            chain = reaches_libdw(path, graph, seen)
            if chain:
                return [name, *chain]
    return []


def check(tree):
    rooms = Rooms(tree.read(TABLE) or "")
    if not rooms.rooms:
        return judged([f"{TABLE}: no rooms table under '{HEADING}'"])
    problems = []
    names = [f for f in tree.c_files() if not f.startswith(KERNEL_CODE)]
    known = set(names)
    graph = {name: list(includes(tree.read(name) or "")) for name in names}
    for name in names:
        place = rooms.of(name)
        if place is None:
            problems.append(f"{name}: in no room of {TABLE}")
            continue
        room, folder = place
        for line, quoted, path in graph[name]:
            where = f"{name}:{line}"
            if not quoted and path.startswith(COMMAND_LINE) and room.level not in (None, 11):
                problems.append(f"{where}: <{path}>: only programs read command lines")
            target = target_of(quoted, path)
            if target is None:
                continue
            if not target.startswith("proto/") and target not in known:
                beside = (pathlib.PurePath(name).parent / target).as_posix()
                why = "write it from the root of the tree" if beside in known else "no such file"
                problems.append(f"{where}: \"{path}\": {why}")
                continue
            used = rooms.of(target)
            if used is None:
                problems.append(f"{where}: \"{path}\": in no room of {TABLE}")
            elif used[1] != folder and not rooms.allows(room, used[0]):
                problems.append(f"{where}: {folder} may not include {used[1]} (\"{path}\")")
        if room.never_libdw:
            chain = reaches_libdw(name, graph, {name})
            if chain:
                problems.append(f"{name}: {folder} must not reach libdw: {' -> '.join(chain)}")
    return judged(problems)
