# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench capture: makedumpfile and hmemdump over the same memory, into the same tmpfs, in turns."""
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

from hmem_e2e import paths, zoo
from hmem_e2e.errors import Failure, Skip
from hmem_e2e.shell import run as run_program

from . import image, process

# Both the file that is read and those that are written lie in memory: what is measured is the programs.
TARGET = pathlib.Path("/dev/shm")
RESULT = paths.BUILD / "bench" / "capture.json"
CODECS = ("lz4", "zstd")
# A dump of memory that lacks a record says so: usable, with losses.
OUR_EXITS = (0, 3)


@dataclasses.dataclass
class Row:
    """A program that makes `out` of `memory`; both are put in by name."""
    name: str
    command: tuple
    peer: str = ""  # the row whose job this does, too
    exits: tuple = (0,)


@dataclasses.dataclass
class Measured:
    row: Row
    runs: list = dataclasses.field(default_factory=list)
    peaks: dict = dataclasses.field(default_factory=dict)
    out_bytes: int = 0

    def median(self, what):
        return statistics.median(getattr(one, what) for one in self.runs)


def _peer(option, level):
    words = [option] if option else []
    return Row(f"makedumpfile {' '.join([*words, f'-d {level}'])}", ("makedumpfile", *words, "-d", str(level), "{memory}", "{out}"))


def _ours(words, peer=""):
    return Row(f"hmemdump {words}", (paths.program("release", "hmemdump"), *words.split(), "--progress", "none", "{memory}", "{out}"),
               peer, OUR_EXITS)


def rows():
    """Levels: 31 leaves out all that can be, 1 zero pages, 0 nothing."""
    # Zeros that the file system does not keep are memory like any other.
    found = [Row("cp", ("cp", "--sparse=never", "{memory}", "{out}"))]
    for option, levels in (("-l", (31, 1, 0)), ("-c", (31, 0)), ("", (31, 0))):
        found += [_peer(option, level) for level in levels]
    for codec, option, levels in (("lz4", "-l", (31, 1, 0)), ("zstd", "-c", (31, 0)), ("none", "", (31, 0))):
        for level in levels:
            for jobs in (1, 2):
                found.append(_ours(f"-c {codec} -x {level} -j {jobs}", _peer(option, level).name))
    # What the record and the order of value cost.
    found.append(_ours("-c lz4 -x 31 -j 1 --no-record --order address", "makedumpfile -l -d 31"))
    found.append(_ours("-c none -x 31 -j 1 --dry-run"))
    return found


def _command(row, memory, out):
    return [str(word).format(memory=memory, out=out) for word in row.command]


def _once(measured, memory, how):
    with tempfile.TemporaryDirectory(dir=TARGET, prefix="hmem-bench-") as folder:
        folder = pathlib.Path(folder)
        out = folder / "out"
        told = how(_command(measured.row, memory, out), folder, measured.row.exits)
        measured.out_bytes = out.stat().st_size if out.exists() else 0
        return told


def _warm(memory):
    with open(memory, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def _load():
    return os.getloadavg()[0]


def measure(memory, wanted, runs):
    """One run of each row for its memory, then `runs` rounds of all rows for its time."""
    found = [Measured(row) for row in wanted]
    for one in found:
        one.peaks = _once(one, memory, process.peaks)
    for number in range(runs):
        print(f"bench: round {number + 1} of {runs}, load {_load():.1f}", file=sys.stderr, flush=True)
        for one in found:
            one.runs.append(_once(one, memory, process.timed))
    return found


def raw_limits(memory, runs):
    """{codec: (seconds, packed bytes)}: the codec alone, in blocks of 64 KiB on one core."""
    program = zoo.host_program("bench/raw_codec", "-llz4", "-lzstd")
    limits = {}
    for codec in CODECS:
        told = [run_program([program, codec, memory]).stdout.split() for _ in range(runs)]
        limits[codec] = (statistics.median(float(words[2]) for words in told), int(told[0][1]))
    return limits


def tell(found, limits, memory_bytes, loads):
    by_name = {one.row.name: one for one in found}
    mib = 1024
    print(f"{memory_bytes:,} bytes of memory; load average {loads[0]:.1f} before, {loads[1]:.1f} after\n")
    print("| | wall s: median | least-most | CPU s | times its peer's speed | peak MiB | anonymous | locked | bytes |\n" + "|---" * 9 + "|")
    for one in found:
        walls = [timed.wall for timed in one.runs]
        peer = by_name.get(one.row.peer)
        faster = f"{peer.median('wall') / one.median('wall'):.2f}" if peer else ""
        print(f"| {one.row.name} | {one.median('wall'):.2f} | {min(walls):.2f}-{max(walls):.2f} | {one.median('cpu'):.2f} | {faster} | "
              f"{one.peaks['VmHWM'] / mib:.1f} | {one.peaks['RssAnon'] / mib:.1f} | {one.peaks['VmLck'] / mib:.1f} | {one.out_bytes:,} |")
    for codec, (seconds, packed) in limits.items():
        print(f"| {codec} alone, 64 KiB blocks | {seconds:.2f} | | {seconds:.2f} | | | | | {packed:,} |")


def run(runs, only):
    """Prints the table, keeps the figures as JSON; 1 when something could not be run. `only`: rows whose names have one of these."""
    try:
        memory = image.memory()
        wanted = [row for row in rows() if not only or any(words in row.name for words in only)]
        if shutil.disk_usage(TARGET).free < 2 * memory.stat().st_size:
            raise Skip(f"{TARGET} has no room for {memory}")
        _warm(memory)
        before = _load()
        found = measure(memory, wanted, runs)
        limits = raw_limits(memory, runs) if not only else {}
    except (Failure, Skip) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    tell(found, limits, memory.stat().st_size, (before, _load()))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"rows": [dataclasses.asdict(one) for one in found], "limits": limits}, indent=1, default=str),
                      encoding="ascii")
    return 0
