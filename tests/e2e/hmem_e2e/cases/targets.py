# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that go wrong while a dump is written to them: what was written stays valid and opens, and the console and the dump say what is
missing. A full file system is a case of init_input, a bad sector of a raw disk one of ladder."""
from .. import capture, compare, machine, paths, qmp, scope
from ..errors import Failure
from ..runner import Case
from ..truth import Truth

DUMP_SECONDS = 20
SETTINGS = (*capture.EVERYTHING, f"deadline.dump = {DUMP_SECONDS}")
# A dump of everything, some 90 MB, is not done in time; the record and the first tier are.
SLOW = "throttling.bps-write=4500000"
PULLED_AFTER = 30 << 20


def _left(captured, reason, least=1000):
    """A part of the dump, which says why it is one, and whose record and first tier are whole."""
    found = scope.report("verify", captured.dump, exits=(3,))
    told = " ".join(finding["text"] for finding in found["findings"])
    if reason not in told:
        raise Failure(f"verify does not say {reason!r}: {told}")
    if int(found["pages_present"]) < least or int(found["pages_not_reached"]) < least:
        raise Failure(f"{found['pages_present']} pages are there, {found['pages_not_reached']} were not reached")
    compare.failure(scope.report("report", captured.dump, exits=(0, 3))["failure"], captured, Truth(captured.truth))
    if "quartz_face" not in scope.text("bt", captured.dump, exits=(0, 3)):
        raise Failure("the backtrace lacks quartz_face")


def _said(captured, lines):
    for line, times in lines.items():
        found = sum(line in text for _, text in captured.lines)
        if found != times:
            raise Failure(f"the console said {line!r} {found} times, not {times}")


def run_slow(claims):
    """The disk takes 4.5 MB a second: the dump ends before its deadline, cleanly, with the best of it."""
    plan = capture.Plan("6.1", "pointer", "ext4", settings=SETTINGS, until="reset", drive_options=SLOW)
    captured = capture.crash(plan, "targets-slow")

    def in_time():
        took = captured.timeline["rebooting"] - captured.timeline["record durable"]
        if took > DUMP_SECONDS:
            raise Failure(f"{took:.1f} s from the record to the reboot, {DUMP_SECONDS} s are the deadline")

    claims.hold("in-time", in_time)
    claims.hold("says-so", _said, captured, {"hmem: record durable": 1, "hmem: stage full failed": 0})
    claims.hold("is-a-dump", lambda: compare.fail_if([] if captured.dump.name == "dump.hmem" else [captured.dump.name], "name"))
    claims.hold("what-is-left", _left, captured, "time limit")


def run_pulled(claims):
    """The disk is taken out of the machine while the dump is written."""
    with qmp.Monitor() as monitor:
        plan = capture.Plan("6.1", "pointer", "raw", settings=capture.EVERYTHING, until="reset", disk="pluggable", drive_options=SLOW,
                            hardware=(*machine.PORT, *monitor.options))
        folder = paths.RUNS / "targets-pulled"
        kernel, root, target = capture.prepare(plan, folder)
        drive = f"{machine.plain_drive(target)},{plan.drive_options}"
        with capture.boot(plan, folder, kernel, root, drive) as guest:
            guest.wait(r"hmem: record durable", capture.BOOT_TIMEOUT + capture.CAPTURE_TIMEOUT)
            monitor.wait_written("disk1", PULLED_AFTER, capture.CAPTURE_TIMEOUT)
            monitor.unplug("pluggable")
            timeline = capture.watch(guest, plan.until)
            lines = list(guest.lines)
        captured = capture.collect(plan, folder, root, target, timeline, lines)
    claims.hold("says-so", _said, captured, {"hmem: record durable": 1, "hmem: dump durable": 0, "hmem: rebooting": 1})
    claims.hold("what-is-left", _left, captured, "the dump is cut here")


def run_read_only(claims):
    """A disk that cannot be written to is no target: that is said when there is still time."""
    plan = capture.Plan("6.1", "pointer", "raw", settings=SETTINGS, drive_options="readonly=on")
    folder = paths.RUNS / "targets-read-only"
    kernel, root, target = capture.prepare(plan, folder)
    with capture.boot(plan, folder, kernel, root, f"{machine.plain_drive(target)},{plan.drive_options}") as guest:
        at, match = guest.wait(r"hmem-guest: arm exit (\d+)", capture.BOOT_TIMEOUT)
        said = [text for _, text in guest.lines[:at] if text.startswith("kdump-arm: ")]

    def refused():
        if match.group(1) != "1" or len(said) != 1 or "/dev/vdb: Read-only file system" not in said[0]:
            raise Failure(f"kdump-arm: exit {match.group(1)}, and said {said}")

    claims.hold("arming-refuses", refused)


def cases():
    return [Case("targets.slow", run_slow, 60), Case("targets.pulled", run_pulled, 60), Case("targets.read-only", run_read_only, 40)]
