# SPDX-License-Identifier: GPL-2.0-or-later
"""Power cuts: the dump disk as it would be had the power failed at any write.

QEMU logs every write and flush of the disk. For twenty points the disk is rebuilt from what was flushed alone, and again
with a random part of the unflushed writes. Once the console has said "record durable", the record must be there."""
import functools
import random
import shutil

from .. import capture, images, paths, scope, write_log
from ..errors import Failure
from ..runner import Case
from ..shell import run as run_program
from ..truth import Truth

POINTS = 20
SEED = 7


class PowerCut:
    """Rebuilds disks at rising cuts."""

    def __init__(self, folder, blank, log):
        self.folder = folder
        self.log = log
        self._base = folder / "flushed.img"
        self._done = 0
        shutil.copyfile(blank, self._base)

    def disk(self, cut, keep):
        """The image when `cut` entries had been sent: all flushed ones, and of the others those `keep`(index) wants."""
        flushed = self.log.flushed(cut)
        if flushed > self._done:
            with open(self._base, "r+b") as disk:
                self.log.apply(disk, range(self._done, flushed))
            self._done = flushed
        made = self.folder / "cut.img"
        run_program(["cp", "--sparse=always", self._base, made])
        loose = [i for i in range(self._done, cut) if self.log.entries[i].flags & write_log.FUA or keep(i)]
        with open(made, "r+b") as disk:
            self.log.apply(disk, loose)
        return made


def _files(plan, image, folder):
    """(record, dump) as a machine would find them after the cut; for a raw disk the disk itself is the dump."""
    if plan.target == "raw":
        return None, image
    # What mounting would do first.
    run_program(["e2fsck", "-p", "-E", "journal_only", image], check=False)
    out = folder / "cut"
    shutil.rmtree(out, ignore_errors=True)
    images.copy_out(image, "/", out)
    record = next(iter(sorted(out.rglob("first-failure.pb"))), None)
    dump = next(iter(sorted(out.rglob("dump.hmem*"))), None)
    return record, dump


def _check_record(path, truth, where):
    found = scope.report("report", path, exits=(0, 3))["failure"]
    if found["identity"]["boot_id"] != truth.boot_id or found["cause"]["kind"] != "KIND_BAD_POINTER":
        raise Failure(f"{where}: the record is not this crash's: {found['identity']}, {found['cause']['kind']}")


def _check_dump(path, where):
    """Opens with 0 and whole, or with 3 and says what is missing."""
    done = scope.call("verify", "--json", path)
    if done.returncode == 0:
        return True
    if done.returncode != 3:
        raise Failure(f"{where}: verify: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    if '"SEVERITY_LOSS"' not in done.stdout and '"SEVERITY_ERROR"' not in done.stdout:
        raise Failure(f"{where}: verify answers 3 and names no loss")
    return False


def _cut_everywhere(plan, cutter, said, truth):
    """Every point from "record durable" to the end, and some before it where only the dump's own honesty is asked for."""
    total = len(cutter.log.entries)
    if not 0 < said <= total:
        raise Failure(f"the log has {total} entries, {said} when the record was durable")
    points = sorted({said + (total - said) * n // (POINTS - 1) for n in range(POINTS)})
    chance = random.Random(SEED)
    whole = 0
    for cut in points:
        for how, keep in (("flushed only", lambda index: False),
                          ("random part", lambda index: chance.random() < 0.5)):
            where = f"cut at {cut} of {total} writes, {how}"
            record, dump = _files(plan, cutter.disk(cut, keep), cutter.folder)
            if plan.target == "raw":
                _check_record(dump, truth, where)
            elif record is None:
                raise Failure(f"{where}: no record")
            else:
                _check_record(record, truth, where)
            # A dump file may exist before its first frames are flushed: then it is empty or too short to be one.
            if dump is not None and (plan.target == "raw" or dump.stat().st_size >= 4096):
                whole += _check_dump(dump, where)
    if whole == 0:
        raise Failure("the dump was never whole, not even after the last write")
    return len(points)


def _short_files(captured):
    """The finished dump cut to any length behind its first chunk opens, and says so."""
    size = captured.dump.stat().st_size
    first = captured.record.stat().st_size * 2 + 65536
    short = captured.folder / "short.hmem"
    with open(captured.dump, "rb") as source:
        data = source.read()
    for n in range(POINTS):
        length = first + (size - first) * n // POINTS + n
        short.write_bytes(data[:length])
        if _check_dump(short, f"{length} of {size} bytes"):
            raise Failure(f"{length} of {size} bytes count as whole")
        scope.text("bt", short, exits=(0, 1, 3))
    short.unlink()


def run(plan, claims):
    folder = paths.RUNS / f"durability-{plan.target}"
    kernel, root, target = capture.prepare(plan, folder)
    blank = folder / "blank.img"
    run_program(["cp", "--sparse=always", target, blank])
    log_path = folder / "writes.log"
    said = []
    with capture.boot(plan, folder, kernel, root, write_log.drive(target, log_path)) as guest:
        guest.on_line(r"hmem: record durable", lambda: said.append(write_log.count(log_path)))
        timeline = capture.watch(guest)
        lines = list(guest.lines)
    captured = capture.collect(plan, folder, root, target, timeline, lines)
    truth = Truth(captured.truth)
    if not said:
        raise Failure("the console never said \"record durable\"")
    cutter = PowerCut(folder, blank, write_log.WriteLog(log_path))
    claims.hold("power-cuts", _cut_everywhere, plan, cutter, said[0], truth)
    if plan.target != "raw":
        claims.hold("short-files", _short_files, captured)
    for name in ("writes.log", "flushed.img", "cut.img", "blank.img"):
        (folder / name).unlink(missing_ok=True)


def cases():
    plans = [capture.Plan("6.1", "pointer", target, target_size="320M") for target in ("ext4", "raw")]
    return [Case(f"durability.{plan.target}", functools.partial(run, plan), 150) for plan in plans]
