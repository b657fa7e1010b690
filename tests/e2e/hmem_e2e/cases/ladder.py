# SPDX-License-Identifier: GPL-2.0-or-later
"""Every child of hmem-init aborts, hangs and takes all memory once; the machine is reset in time, and the best of the lower
rungs is on the disk. Few runs cover all pairs of child and fault."""
import dataclasses
import functools
import re

from .. import capture, compare, scope
from ..errors import Failure
from ..runner import Case
from ..truth import Truth

RECORD_SECONDS = 8
DUMP_SECONDS = 25
TARGET_SECONDS = 8
LOG_SECONDS = 10
# hmem-init's own, for mount and sync.
DISK_SECONDS = 60
DEADLINES = {"record": RECORD_SECONDS, "log": LOG_SECONDS, "mount": DISK_SECONDS, "sync": DISK_SECONDS}
SETTINGS = (f"deadline.record = {RECORD_SECONDS}", f"deadline.dump = {DUMP_SECONDS}",
            f"deadline.target = {TARGET_SECONDS}", f"deadline.log = {LOG_SECONDS}")
# For all that works, beside other guests.
REST_SECONDS = 40

# 40 MiB into the disk, half of a dump of everything.
BAD_SECTOR = 40 << 11

WHOLE, PART, NOTHING = "whole dump", "record and part of a dump", "nothing"


@dataclasses.dataclass
class Run:
    """Faults by child, and what must be on the target in the end."""
    fault: str
    left: str
    target: str = "root"
    # A dump of the last rung may lack a record.
    record: bool = True

    @property
    def faults(self):
        return [item.split(":") for item in self.fault.split(",")]

    @property
    def seconds(self):
        """Of waiting for deadlines."""
        return sum(DEADLINES.get(child, DUMP_SECONDS) for child, mode in self.faults if mode == "hang")


RUNS = {
    "one-worker": Run("full:abort,sync:hog", WHOLE),
    "address-order": Run("full:hang,single:hang", WHOLE),
    "record-only": Run("full:hog,single:hog,address:hang", PART),
    "no-record-child": Run("record:abort,sync:abort", WHOLE),
    # A dump stage that dies among its pages has made the record first when the record's own child could not.
    "record-by-dump-after-hang": Run("record:hang,full:abort,single:abort,address:hog", PART),
    "record-by-dump-after-hog": Run("record:hog,full:hog,single:abort,address:abort", PART),
    "record-again": Run("record:abort,full:build-abort,single:build-abort,address:abort", PART),
    # What interprets the old kernel dies on every rung that runs it; the last one does not.
    "nothing-understood": Run("record:build-abort,full:build-abort,single:build-abort,address:build-abort", WHOLE,
                              record=False),
    "raw": Run("full:hang,single:abort,sync:hang", WHOLE, "raw"),
    "raw-record-by-dump": Run("record:hog,full:abort,single:hog,address:abort", PART, "raw"),
    "mount-hangs": Run("mount:hang", NOTHING),
    "mount-aborts": Run("mount:abort,log:hang", NOTHING),
    "mount-hogs": Run("mount:hog,log:abort", NOTHING),
}
# What the console calls the failure of a child that is not a stage.
LINES = {"mount": "stage target failed: mount ", "sync": "sync and unmount failed: "}


def _died_as_told(captured, child, mode):
    """The console says which child failed, and of what: a hog that only the deadline ends has met no limit."""
    line = LINES.get(child, f"stage {child} failed: ")
    said = [text for _, text in captured.lines if f"hmem: {line}" in text]
    # The last rung builds no record.
    if (child, mode) == ("address", "build-abort"):
        if said:
            raise Failure(f"the last rung failed: {said}")
        return
    deadline = f"(deadline {DEADLINES.get(child, DUMP_SECONDS)} s)"
    if not said:
        raise Failure(f"the console never said {line!r}")
    if (deadline in said[0]) != (mode == "hang") or "killed by signal" not in said[0]:
        raise Failure(f"{child} was told to {mode}: {said[0]!r}")


def claim_end(claims, captured, waiting_seconds, faults):
    def in_time():
        took = captured.timeline["reset"] - captured.timeline["capture kernel up"]
        if took > waiting_seconds + REST_SECONDS:
            raise Failure(f"{took:.1f} s from capture kernel to reset, allowed are {waiting_seconds} and {REST_SECONDS}")

    def died_as_told():
        for child, mode in faults:
            _died_as_told(captured, child, mode)

    claims.hold("resets-in-time", in_time)
    claims.hold("says-what-failed", died_as_told)


def claim_log(claims, captured, marker):
    """The old kernel's log is on the console of the capture kernel."""
    at = next(n for n, (_, line) in enumerate(captured.lines) if "hmem: capture kernel up" in line)

    def shown():
        if not any(marker in line for _, line in captured.lines[at:]):
            raise Failure(f"the console never said {marker!r}")

    claims.hold("log-on-console", shown)


def run(name, claims):
    told = RUNS[name]
    plan = capture.Plan("6.1", "pointer", told.target, preset="capture-faults", fault=told.fault, settings=SETTINGS,
                        until="reset")
    captured = capture.crash(plan, f"ladder-{name}")
    truth = Truth(captured.truth)

    def record():
        if told.target == "raw":
            found = scope.report("report", captured.dump, exits=(0, 3))
        elif captured.record is None:
            raise Failure("no record on the disk")
        else:
            found = scope.report("report", captured.record, exits=(0, 3))
        compare.failure(found["failure"], captured, truth)

    def no_record():
        """None was made, and hmemscope makes one of the dump."""
        if captured.record is not None:
            raise Failure(f"{captured.record} is there, though its makers died")
        found = scope.report("report", captured.dump, exits=(0, 3))["failure"]
        differences = []
        compare.equal(differences, "boot id", found["identity"]["boot_id"], truth.boot_id)
        compare.equal(differences, "cause", found["cause"]["kind"], "KIND_BAD_POINTER")
        compare.equal(differences, "where", found["cause"]["location"]["symbol"], "quartz_face")
        compare.fail_if(differences, "what hmemscope makes of the dump")

    def dump():
        if captured.dump is None or (told.target != "raw" and captured.dump.name != "dump.hmem"):
            raise Failure(f"no finished dump on the disk: {captured.dump}")
        scope.text("verify", captured.dump)
        if "quartz_face" not in scope.text("bt", captured.dump):
            raise Failure("the dump's backtrace lacks quartz_face")

    def remains():
        """What the stages that died had written opens, says that it is not whole, and has pages."""
        if captured.dump is None:
            raise Failure("nothing of a dump on the disk")
        found = scope.report("verify", captured.dump, exits=(3,))
        if found["origin"]["complete"] or int(found["pages_present"]) == 0:
            raise Failure(f"complete: {found['origin']['complete']}, {found['pages_present']} pages")

    def nothing():
        if captured.record is not None or captured.dump is not None:
            raise Failure(f"there is {captured.record}, {captured.dump}")

    claim_end(claims, captured, told.seconds, told.faults)
    if told.left == NOTHING:
        claims.hold("nothing-is-there", nothing)
        if not any(child == "log" for child, _ in told.faults):
            claim_log(claims, captured, truth.marker)
        return
    claims.hold("record", record if told.record else no_record)
    if told.left == WHOLE:
        claims.hold("dump", dump)
    else:
        claims.hold("incomplete-dump", remains)


def run_without_target(claims):
    """The capture kernel finds no disk: the old kernel's log goes to the console, and the machine is reset."""
    plan = capture.Plan("6.1", "pointer", "root", append="pci=off", settings=SETTINGS, until="reset")
    captured = capture.crash(plan, "ladder-no-target")
    claim_end(claims, captured, TARGET_SECONDS, [])

    def says_so():
        if not any("hmem: stage target failed" in line for _, line in captured.lines):
            raise Failure("the console never said that there is no target")

    claims.hold("says-so", says_so)
    claim_log(claims, captured, Truth(captured.truth).marker)


def run_bad_sector(claims):
    """A raw disk fails in the middle of the dump: what is in front stays, and no simpler attempt writes over it."""
    plan = capture.Plan("6.1", "pointer", "raw", settings=(*SETTINGS, *capture.EVERYTHING), until="reset", bad_sector=BAD_SECTOR)
    captured = capture.crash(plan, "ladder-bad-sector")
    truth = Truth(captured.truth)

    def left():
        found = scope.report("verify", captured.dump, exits=(3,))
        if int(found["pages_present"]) < 1000 or found["origin"]["complete"]:
            raise Failure(f"{found['pages_present']} pages, complete: {found['origin']['complete']}")
        compare.failure(scope.report("report", captured.dump, exits=(0, 3))["failure"], captured, truth)

    def said():
        for line, times in (("hmem: record durable", 1), ("hmem: dump durable", 0), ("hmem: stage full failed", 1),
                            ("what is there stays", 1), ("hmem: stage single", 0)):
            found = sum(line in text for _, text in captured.lines)
            if found != times:
                raise Failure(f"the console said {line!r} {found} times, not {times}")

    claim_end(claims, captured, 0, [])
    claims.hold("says-so", said)
    claims.hold("what-is-left", left)


@dataclasses.dataclass
class WayRun:
    """Children that die where they read the old memory in one way: what fails, and what is read in the end."""
    fault: str
    failed: tuple
    source: str


WAY_RUNS = {
    # The record's child dies of the device; the dump, which would as well, reads /proc/vmcore and makes the record.
    "device-dies": WayRun("record:device-abort,full:device-abort,single:device-abort,address:device-abort", ("record",),
                          "vmcore"),
    "each-way-dies": WayRun("record:device-abort,full:vmcore-abort", ("record", "full"), "device"),
    "device-dies-once": WayRun("full:device-abort", ("full",), "vmcore"),
}


def run_way(name, claims):
    told = WAY_RUNS[name]
    plan = capture.Plan("6.1", "pointer", "root", preset="capture-faults", fault=told.fault, settings=SETTINGS,
                        until="reset")
    captured = capture.crash(plan, f"ladder-{name}")
    truth = Truth(captured.truth)

    def stages():
        said = [text for _, text in captured.lines if re.match(r"hmem: stage \w+ failed: ", text)]
        differences = []
        compare.equal(differences, "stages that failed", [text.split()[2] for text in said], list(told.failed))
        compare.equal(differences, "of a signal", [text for text in said if "killed by signal 6" not in text], [])
        ways = [text.split()[-1] for _, text in captured.lines if text.startswith("hmem: the next stage tries ")]
        compare.equal(differences, "ways", ways, ["/proc/vmcore", "/dev/hmem"][:len(told.failed)])
        compare.fail_if(differences, "ladder")

    def saved():
        if captured.dump is None or captured.dump.name != "dump.hmem" or captured.record is None:
            raise Failure(f"record {captured.record}, dump {captured.dump}")
        found = scope.report("verify", captured.dump)
        if found["origin"]["source"] != told.source or not found["origin"]["complete"]:
            raise Failure(f"the dump: {found['origin']}, expected all of {told.source}")
        compare.failure(scope.report("report", captured.record, exits=(0, 3))["failure"], captured, truth)

    claim_end(claims, captured, 0, [])
    claims.hold("says-what-is-read", stages)
    claims.hold("saved", saved)


# Memory that the hypervisor may take away; the old kernel has no driver for it here, and none is needed to be careful. Where
# memory above 4 GiB can come, both kernels set 64 MiB of bounce buffers aside.
VIRTIO_MEM = ("-m", "512M,maxmem=1G", "-object", "memory-backend-ram,id=plugged,size=128M",
              "-device", "virtio-mem-pci,memdev=plugged,requested-size=0")


def run_unsafe_holes(series, claims):
    """hmem.ko of a stock kernel cannot know the holes of virtio-mem, and refuses: /proc/vmcore is read, and that is said."""
    plan = capture.Plan(series, "pointer", "root", until="reset", settings=SETTINGS, hardware=VIRTIO_MEM, source="vmcore",
                        crashkernel="224M")
    captured = capture.crash(plan, f"unsafe-holes-{series}")

    def said():
        wanted = "hmemdump: /dev/hmem: unsafe holes: "
        lines = [text for _, text in captured.lines if text.startswith(wanted)]
        if len(lines) != 2 or any(not text.endswith("; reading /proc/vmcore instead") for text in lines):
            raise Failure(f"record and dump did not say {wanted!r}: {lines}")

    def saved():
        found = scope.report("verify", captured.dump)
        if found["origin"]["source"] != "vmcore" or not found["origin"]["complete"]:
            raise Failure(f"the dump: {found['origin']}")
        compare.failure(scope.report("report", captured.record)["failure"], captured, Truth(captured.truth))

    claim_end(claims, captured, 0, [])
    claims.hold("says-so", said)
    claims.hold("saved", saved)


def run_foreign_module(claims):
    """hmem.ko is of another kernel: it does not load, and /proc/vmcore is read."""
    plan = capture.Plan("6.1", "pointer", "root", until="reset", settings=SETTINGS, driver="6.12", source="vmcore")
    captured = capture.crash(plan, "foreign-module")

    def said():
        for wanted in (r"hmem: /lib/modules/hmem\.ko: .*finit_module: Exec format error$",
                       r"hmem: old memory: \d+ MiB in /proc/vmcore$"):
            if sum(bool(re.match(wanted, text)) for _, text in captured.lines) != 1:
                raise Failure(f"the console did not say /{wanted}/ once")

    def saved():
        found = scope.report("verify", captured.dump)
        if found["origin"]["source"] != "vmcore" or not found["origin"]["complete"]:
            raise Failure(f"the dump: {found['origin']}")

    claim_end(claims, captured, 0, [])
    claims.hold("says-so", said)
    claims.hold("saved", saved)


def run_log_hog(claims):
    """No disk, and the log's child takes all memory."""
    plan = capture.Plan("6.1", "pointer", "root", preset="capture-faults", fault="log:hog", append="pci=off",
                        settings=SETTINGS, until="reset")
    captured = capture.crash(plan, "ladder-log-hogs")
    claim_end(claims, captured, TARGET_SECONDS, [["log", "hog"]])


def cases():
    found = [Case(f"ladder.{name}", functools.partial(run, name), 30 + told.seconds) for name, told in RUNS.items()]
    found += [Case(f"ladder.{name}", functools.partial(run_way, name), 40) for name in WAY_RUNS]
    found += [Case(f"unsafe-holes.{series}", functools.partial(run_unsafe_holes, series), 40) for series in ("6.1", "6.12")]
    return [*found, Case("foreign-module", run_foreign_module, 40), Case("ladder.no-target", run_without_target, 40), Case("ladder.log-hogs", run_log_hog, 40),
            Case("ladder.bad-sector", run_bad_sector, 40)]
