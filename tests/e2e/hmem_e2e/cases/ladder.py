# SPDX-License-Identifier: GPL-2.0-or-later
"""Every child of hmem-init aborts, hangs and takes all memory once; the machine reboots in time, and the best of the lower
rungs is on the disk. Six runs cover all pairs of stage and fault."""
import functools

from .. import capture, scope
from ..errors import Failure
from ..runner import Case
from ..truth import Truth

RECORD_SECONDS = 8
DUMP_SECONDS = 25
# For what is not under a stage's deadline: target, clean-up, reboot.
REST_SECONDS = 30

# Faults by stage, and whether a finished dump must be on the disk. The record always must: a dump stage that dies in the
# middle of its work has made the record first when the record's own child could not.
RUNS = {
    "one-worker": ("full:abort", True),
    "address-order": ("full:hang,single:hang", True),
    "record-only": ("full:hog,single:hog,address:hang", False),
    "no-record-child": ("record:abort", True),
    "record-by-dump-after-hang": ("record:hang,full:abort,single:abort,address:hog", False),
    "record-by-dump-after-hog": ("record:hog,full:hog,single:abort,address:abort", False),
}


def _deadline(fault):
    seconds = REST_SECONDS
    for item in fault.split(","):
        stage, mode = item.split(":")
        if mode != "abort":
            seconds += RECORD_SECONDS if stage == "record" else DUMP_SECONDS
    return seconds + DUMP_SECONDS


def run(name, claims):
    fault, with_dump = RUNS[name]
    plan = capture.Plan("6.1", "pointer", "root", preset="capture-faults", fault=fault,
                        settings=(f"deadline.record = {RECORD_SECONDS}", f"deadline.dump = {DUMP_SECONDS}"))
    captured = capture.crash(plan, f"ladder-{name}")
    truth = Truth(captured.truth)

    def in_time():
        took = captured.timeline["second boot"] - captured.timeline["capture kernel up"]
        if took > _deadline(fault):
            raise Failure(f"{took:.1f} s from capture kernel to first kernel, allowed are {_deadline(fault)}")

    def stages_named():
        for item in fault.split(","):
            stage = item.split(":")[0]
            if not any(f"hmem: stage {stage} failed" in line for _, line in captured.lines):
                raise Failure(f"the console never said that stage {stage} failed")

    def record():
        if captured.record is None:
            raise Failure("no record on the disk")
        found = scope.report("report", captured.record, exits=(0, 3))["failure"]
        if found["identity"]["boot_id"] != truth.boot_id:
            raise Failure("the record is of another boot")

    def dump():
        if captured.dump is None or captured.dump.name != "dump.hmem":
            raise Failure(f"no finished dump on the disk: {captured.dump}")
        scope.text("verify", captured.dump)
        if "quartz_face" not in scope.text("bt", captured.dump):
            raise Failure("the dump's backtrace lacks quartz_face")

    def remains():
        """What the stages that died had written opens, and says that it is not whole."""
        if captured.dump is None:
            raise Failure("nothing of a dump on the disk")
        scope.text("verify", captured.dump, exits=(3,))

    claims.hold("reboots-in-time", in_time)
    claims.hold("says-what-failed", stages_named)
    claims.hold("record", record)
    if with_dump:
        claims.hold("dump", dump)
    else:
        claims.hold("incomplete-dump", remains)


def run_without_target(claims):
    """The capture kernel finds no disk: the old kernel's log goes to the console, and the machine reboots."""
    plan = capture.Plan("6.1", "pointer", "root",
                        settings=("append = pci=off", f"deadline.target = {RECORD_SECONDS}"))
    captured = capture.crash(plan, "ladder-no-target")
    truth = Truth(captured.truth)
    at = next(n for n, (_, line) in enumerate(captured.lines) if "hmem: capture kernel up" in line)

    def said(pattern):
        if not any(pattern in line for _, line in captured.lines[at:]):
            raise Failure(f"the console never said {pattern!r}")

    claims.hold("says-what-failed", said, "hmem: stage target failed")
    claims.hold("log-on-console", said, truth.marker)
    claims.hold("reboots", said, "hmem: rebooting")


def cases():
    found = [Case(f"ladder.{name}", functools.partial(run, name), 50 + 25 * RUNS[name][0].count("hang")) for name in RUNS]
    return [*found, Case("ladder.no-target", run_without_target, 50)]
