# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest wrote down just before it failed, parsed."""
import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class ThreadTruth:
    pid: int
    tgid: int
    parent: int
    comm: str
    state: str
    # How often it left the CPU, of its own accord and not.
    switches: tuple
    # Lines of /proc/PID/task/TID/stack without the "[<0>] ".
    stack: tuple


def read_text(path):
    return path.read_text(encoding="utf-8", errors="replace")


class Truth:
    """`folder` is the guest's /truth."""

    def __init__(self, folder):
        self.folder = folder
        self.release = self.text("uname").split()[2]
        self.boot_id = self.text("boot_id").strip()
        self.marker = self.text("marker").strip()
        self.witness = dict(line.split(" ", 1) for line in self.text("witness").splitlines())
        self.planted = dict(line.split(" ", 1) for line in self.text("quartz").splitlines())
        self.log = [m.group(2) for m in re.finditer(r"^(?:<\d+>)?\[ *(\d+\.\d+)\] ?(.*)$", self.text("dmesg"), re.MULTILINE)]
        self.snapshots = [self._snapshot(f"tasks.{n}") for n in range(3)]

    def text(self, name):
        return read_text(self.folder / name)

    @property
    def modules(self):
        """{name: (size, address, taint letters)} from /proc/modules."""
        found = {}
        for line in self.text("modules").splitlines():
            words = line.split()
            taint = words[6].strip("()") if len(words) > 6 else ""
            found[words[0]] = (int(words[1]), int(words[5], 16), taint)
        return found

    def _snapshot(self, name):
        threads, ids, stat, switches, stack = {}, None, None, [], []

        def close():
            if ids and stat:
                comm = stat[stat.index("(") + 1:stat.rindex(")")]
                rest = stat[stat.rindex(")") + 2:].split()
                threads[ids[1]] = ThreadTruth(ids[1], ids[0], int(rest[1]), comm, rest[0],
                                               tuple(switches), tuple(stack))

        for line in self.text(name).splitlines():
            key, _, rest = line.partition(" ")
            if key == "task":
                close()
                ids, stat, switches, stack = tuple(int(word) for word in rest.split()), None, [], []
            elif key == "stat":
                stat = rest
            elif key == "status":
                switches.append(rest)
            elif key == "stack":
                stack.append(re.sub(r"^\[<[0-9a-f]+>\] ", "", rest))
        close()
        return threads

    @property
    def threads(self):
        """The last snapshot by thread id."""
        return self.snapshots[-1]

    @property
    def settled(self):
        """Threads that did not run between the snapshots, though these were flushed to disk in between: what wrote, or
        wakes by a timer, is not among them. These must be the same in the dump."""
        return {pid: thread for pid, thread in self.threads.items()
                if all(snapshot.get(pid) == thread for snapshot in self.snapshots)}
