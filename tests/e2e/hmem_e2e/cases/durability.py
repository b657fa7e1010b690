# SPDX-License-Identifier: GPL-2.0-or-later
"""Power cuts: the dump disk as it would be had the power failed at any write.

QEMU logs every write and flush of the disk. For each point the disk is rebuilt from what was flushed alone, and again with a
random part of the unflushed writes. hmem-init is told to pause behind "record durable" and "dump durable", so that the log is
just as long as it was when the line was said."""
import functools
import hashlib
import random
import shutil
import struct

from .. import capture, compare, images, paths, scope, write_log
from ..errors import Failure
from ..runner import Case
from ..shell import run as run_program
from ..truth import Truth

# Behind "record durable"; a few more lie before it.
POINTS = 20
EARLY_POINTS = 4
# Dumps that are not whole and differ, among the disks with what was flushed alone.
MIN_STEPS = 2
SEED = 7
FAULT = "record-said:pause,dump-said:pause"
FRAME_HEADER_BYTES = 64
FRAME_MAGIC, TYPE_END = b"\x89HMF", 9


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


class Found:
    """What a machine finds on a disk after the cut. `record` and `dump` are files or None; on a raw disk the dump is the
    disk's beginning, and the record is inside."""

    def __init__(self, plan, image, folder, stream_bytes):
        if plan.target == "raw":
            with open(image, "r+b") as disk:
                disk.truncate(stream_bytes)
            self.record, self.dump = None, image
            return
        out = folder / "cut"
        shutil.rmtree(out, ignore_errors=True)
        images.copy_out(image, "/", out)
        self.record = next(iter(sorted(out.rglob("first-failure.pb"))), None)
        self.dump = next(iter(sorted(out.rglob("dump.hmem*"))), None)


class Judge:
    """Asks hmemscope once about each different dump."""

    def __init__(self, truth, final_dump):
        self.truth = truth
        self.final = self._digest(final_dump)
        self._known = {}

    @staticmethod
    def _digest(path):
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha1").hexdigest()

    def record_in(self, dump, where):
        """A raw disk's: it opens, and its record is this crash's."""
        found = scope.report("report", dump, exits=(0, 3))["failure"]
        if found["identity"]["boot_id"] != self.truth.boot_id or found["cause"]["kind"] != "KIND_BAD_POINTER":
            raise Failure(f"{where}: the record is not this crash's: {found['identity']}, {found['cause']['kind']}")

    def dump(self, path, where):
        """None for the whole dump; for any other its number of pages, and what it says of itself must be true."""
        digest = self._digest(path)
        if digest not in self._known:
            self._known[digest] = self._ask(path, digest == self.final, where)
        return self._known[digest]

    @staticmethod
    def _ask(path, whole, where):
        done = scope.call("verify", "--json", path)
        if done.returncode != (0 if whole else 3):
            raise Failure(f"{where}: verify of {'the whole dump' if whole else 'a part'}: exit {done.returncode}: "
                          f"{done.stderr.strip()[-500:]}")
        if whole:
            return None
        found = scope.parse(done.stdout, "verify")
        ids = {finding["id"] for finding in found["findings"] if finding["severity"] != "SEVERITY_INFO"}
        differences = []
        compare.equal(differences, "origin.complete", found["origin"]["complete"], False)
        if not ids & {"hmem.cut", "hmem.not-reached", "hmem.damage", "hmem.frames-missing"}:
            differences.append(f"nothing says what is missing: {sorted(ids)}")
        gone = int(found["pages_ram"]) - int(found["pages_present"]) - int(found["pages_excluded"])
        if gone and "hmem.not-reached" not in ids and not any("damage" in name or "missing" in name for name in ids):
            differences.append(f"{gone} pages are missing and not named: {sorted(ids)}")
        if not gone and "hmem.cut" not in ids:
            differences.append("every page is there, and nothing says that END is not")
        compare.fail_if(differences, f"{where}: a part of the dump")
        return int(found["pages_present"])


def _points(log, said):
    """Cuts behind "record durable": evenly spread, and right behind flushes."""
    total = len(log.entries)
    flushes = [n + 1 for n in range(said, total) if log.entries[n].flags & write_log.FLUSH]
    return sorted({said + (total - said) * n // (POINTS - 1) for n in range(POINTS)} | set(flushes[:POINTS // 2]))


def _every_cut(plan, cutter, said, judge, final_record, stream_bytes):
    """said: entries when the record and when the dump was said to be durable."""
    record_said, dump_said = said
    total = len(cutter.log.entries)
    if not 0 < record_said < dump_said <= total:
        raise Failure(f"of {total} writes {record_said} were before \"record durable\", {dump_said} before \"dump durable\"")
    chance = random.Random(SEED)
    early = sorted({record_said * n // EARLY_POINTS for n in range(EARLY_POINTS)})
    steps, whole, absent = [], 0, 0
    for cut in early + _points(cutter.log, record_said):
        for how, keep in (("flushed only", lambda index: False), ("random part", lambda index: chance.random() < 0.5)):
            where = f"cut at {cut} of {total} writes ({record_said} before the record, {dump_said} before the dump), {how}"
            found = Found(plan, cutter.disk(cut, keep), cutter.folder, stream_bytes)
            if plan.target == "raw":
                if cut < record_said:
                    absent += scope.call("report", found.dump).returncode == 1
                    continue
                judge.record_in(found.dump, where)
            else:
                absent += found.record is None
                if found.record is not None and found.record.read_bytes() != final_record:
                    raise Failure(f"{where}: first-failure.pb has other bytes than in the end")
                if cut >= record_said and found.record is None:
                    raise Failure(f"{where}: no record")
            # A dump file may exist before its first frames are flushed: then it is empty, or no dump yet.
            if found.dump is None or (plan.target != "raw" and found.dump.stat().st_size < 4096):
                pages = 0
            else:
                pages = judge.dump(found.dump, where)
                if pages is None:
                    whole += 1
            if plan.target != "raw" and found.dump is not None and found.dump.name == "dump.hmem" and pages is not None:
                raise Failure(f"{where}: dump.hmem has its final name and is not whole")
            if cut >= dump_said and pages is not None:
                raise Failure(f"{where}: the dump is not whole")
            if how == "flushed only" and pages is not None and cut >= record_said:
                steps.append(pages)
    if not whole:
        raise Failure("the dump was never whole, not even after the last write")
    if not absent:
        raise Failure("there was a record at every cut, even before anything was written: this test cannot see its absence")
    if steps != sorted(steps):
        raise Failure(f"a later cut has fewer pages: {steps}")
    if len(set(steps) - {0}) < MIN_STEPS:
        raise Failure(f"a power cut in the middle leaves nothing of the dump: pages by cut: {steps}")


def _end_of(data, at):
    """Of a frame, without the padding behind it."""
    return at + FRAME_HEADER_BYTES + struct.unpack_from("<I", data, at + 48)[0]


def _short_files(captured, judge):
    """The finished dump cut to any length opens from its HEADER on, and says so; without that it is no dump. Behind END
    there is only padding."""
    data = captured.dump.read_bytes()
    header_bytes = _end_of(data, 0)
    size = -(-_end_of(data, data.rindex(FRAME_MAGIC + struct.pack("<H", TYPE_END))) // 64) * 64
    short = captured.folder / "short.hmem"
    for length in (0, 1, FRAME_HEADER_BYTES - 1, header_bytes - 1):
        short.write_bytes(data[:length])
        done = scope.call("verify", short)
        if done.returncode != 1 or len(done.stderr.strip().splitlines()) != 1:
            raise Failure(f"{length} bytes, less than HEADER: exit {done.returncode}: {done.stderr[-500:]}")
    lengths = [header_bytes, header_bytes + 1, header_bytes + 64, header_bytes + 1000, size - 1]
    lengths += [header_bytes + (size - header_bytes) * n // POINTS + n for n in range(1, POINTS)]
    for length in sorted(lengths):
        short.write_bytes(data[:length])
        if judge.dump(short, f"{length} of {size} bytes") is None:
            raise Failure(f"{length} of {size} bytes count as whole")
    short.write_bytes(data[:size])
    scope.text("verify", short)
    short.unlink()


def run(plan, claims):
    folder = paths.RUNS / f"durability-{plan.target}"
    kernel, root, target = capture.prepare(plan, folder)
    blank = folder / "blank.img"
    run_program(["cp", "--sparse=always", target, blank])
    log_path = folder / "writes.log"
    said = {}
    with capture.boot(plan, folder, kernel, root, write_log.drive(target, log_path)) as guest:
        for what in ("record", "dump"):
            guest.on_line(rf"hmem: {what} durable", functools.partial(
                lambda name: said.setdefault(name, write_log.count(log_path)), what))
        timeline = capture.watch(guest, plan.until)
        lines = list(guest.lines)
    captured = capture.collect(plan, folder, root, target, timeline, lines)
    if set(said) != {"record", "dump"}:
        raise Failure(f"of record and dump the console said that {sorted(said)} are durable")
    log = write_log.WriteLog(log_path)
    stream_bytes = 0
    if plan.target == "raw":
        stream_bytes = max(entry.offset + entry.length for entry in log.entries)
        with open(captured.dump, "r+b") as disk:
            disk.truncate(stream_bytes)
    judge = Judge(Truth(captured.truth), captured.dump)
    record = captured.record.read_bytes() if captured.record else None
    claims.hold("power-cuts", _every_cut, plan, PowerCut(folder, blank, log), (said["record"], said["dump"]), judge, record,
                stream_bytes)
    claims.hold("short-files", _short_files, captured, judge)
    for name in ("writes.log", "flushed.img", "cut.img", "blank.img"):
        (folder / name).unlink(missing_ok=True)


def cases():
    plans = [capture.Plan("6.1", "pointer", target, target_size="320M", preset="capture-faults", fault=FAULT,
                          until="reset")
             for target in ("ext4", "raw")]
    return [Case(f"durability.{plan.target}", functools.partial(run, plan), 150) for plan in plans]
