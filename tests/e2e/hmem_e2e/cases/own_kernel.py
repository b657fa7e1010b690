# SPDX-License-Identifier: GPL-2.0-or-later
"""The patched kernel fails, the minimal one captures: onto every kind of disk it has a driver for, in 64 MiB and in 32. crash gets
the DWARF of the one that failed."""
import functools

from .. import capture, crash_opinion
from ..runner import Case
from . import matrix


def _plan(trigger, target, disk, crashkernel="64M", **more):
    return capture.Plan("6.1", trigger, target, profile="test", capture_profile="capture", disk=disk, crashkernel=crashkernel,
                        # The whole boot on the console: its first line is where the words of the dead kernel end.
                        append="loglevel=7",
                        # What is on xfs is fetched by the guest itself.
                        until="done" if target == "xfs" else "reset", **more)


PLANS = [
    _plan("pointer", "ext4", "virtio", "48M", estimated=True, warn_first=True),
    _plan("interrupt", "raw", "virtio", "32M", cpu="max,la57=off"),
    _plan("sysrq", "xfs", "ahci"),
    _plan("pointer", "ext4", "nvme", "32M"),
]


def name_of(plan):
    return f"own-{plan.series}-{plan.trigger}-{plan.target}-{plan.disk}-{plan.crashkernel}"


def run(plan, claims):
    captured = capture.crash(plan, name_of(plan))
    matrix.claim_capture(claims, captured)
    if captured.dump:
        crash_opinion.claim_agreement(claims, captured)


def cases():
    return [Case(f"crash.{name_of(plan)}", functools.partial(run, plan), 90) for plan in PLANS]
