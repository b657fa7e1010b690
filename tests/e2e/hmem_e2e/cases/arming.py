# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump-arm as a program: its verbs on a machine that can be armed, and its refusals on one that cannot."""
import json
import re

from .. import capture, images, paths
from ..compare import equal, fail_if
from ..errors import Failure
from ..machine import plain_drive
from ..runner import Case
from ..truth import read_text

ADVICE = r"add crashkernel=\d+M to the kernel command line"


class Answers:
    """What the guest's root-init asked kdump-arm, by the name it gave the question."""

    def __init__(self, folder):
        self.folder = folder
        self.differences = []

    def said(self, name, stream="out"):
        return read_text(self.folder / f"arm.{name}.{stream}")

    def exits(self, name, expected, stream="out", pattern=""):
        equal(self.differences, f"{name}: exit", int(self.said(name, "exit")), expected)
        if not re.search(pattern, self.said(name, stream), re.MULTILINE):
            self.differences.append(f"{name}: no /{pattern}/ in {self.said(name, stream)!r}")

    def silent(self, name, stream="err"):
        equal(self.differences, f"{name}: {stream}", self.said(name, stream), "")

    def one_line(self, name, pattern):
        lines = self.said(name, "err").splitlines()
        if len(lines) != 1 or not re.search(pattern, lines[0]):
            self.differences.append(f"{name}: expected one line with /{pattern}/ on stderr: {lines}")
        self.silent(name, "out")


def verbs(captured, truth):
    """check, status, arm, disarm and arm again, on a machine that was armed well."""
    answers = Answers(captured.truth)
    answers.exits("check", 0, pattern=r"^ok +kernel-image: ")
    answers.exits("check", 0, pattern=r"^ok +source: /dev/hmem: /lib/modules/.*/updates/dkms/hmem\.ko$")
    if re.search("^failed", answers.said("check"), re.MULTILINE):
        answers.differences.append(f"check: exit 0 with a failed answer: {answers.said('check')}")
    answers.exits("before", 1, pattern="^not armed")
    for name in ("first", "arm"):
        answers.exits(name, 0, pattern=rf"^armed: .*{re.escape(truth.release)}")
    for name in ("first-status", "status"):
        answers.exits(name, 0)
        found = json.loads(answers.said(name))
        equal(answers.differences, f"{name}: armed", found["armed"], True)
        equal(answers.differences, f"{name}: crash_kernel_loaded", found["crash_kernel_loaded"], True)
        equal(answers.differences, f"{name}: reserved_bytes", f"{found['reserved_bytes'] >> 20}M", captured.plan.crashkernel)
        equal(answers.differences, f"{name}: changes", found["changes"], [])
        arming = found["arming"]
        equal(answers.differences, f"{name}: kernel_release", arming["kernel_release"], truth.release)
        equal(answers.differences, f"{name}: kernel_path", arming["kernel_path"], f"/boot/vmlinuz-{truth.release}")
        equal(answers.differences, f"{name}: target", (arming["target"], arming["target_device"]), ("/var/crash", "/dev/vda"))
        equal(answers.differences, f"{name}: source", arming["source"], "/dev/hmem")
        words = arming["command_line"].split()
        for word in ("console=ttyS0", "nr_cpus=1", "irqpoll", "reset_devices", "panic=10"):
            if word not in words:
                answers.differences.append(f"{name}: command_line {words} lacks {word}")
    ids = [json.loads(answers.said(name))["arming"]["arm_id"] for name in ("first-status", "status")]
    if ids[0] == ids[1]:
        answers.differences.append(f"two armings have one arm_id, {ids[0]}")
    answers.exits("disarm", 0)
    answers.exits("disarmed", 1, pattern="^not armed")
    answers.exits("text", 0, pattern="^armed")
    for name in ("check", "before", "first", "first-status", "disarm", "disarmed", "arm", "status", "text"):
        answers.silent(name)
    if not any("hmem-guest: disarmed: loaded 0" in line for _, line in captured.lines):
        answers.differences.append("a crash kernel was loaded after disarm")
    if not any("hmem-guest: loaded 1" in line for _, line in captured.lines):
        answers.differences.append("no crash kernel was loaded after the second arm")
    fail_if(answers.differences, "kdump-arm")


def estimate(captured):
    """What this guest was booted with is what kdump-arm says it needs; that it does is what the other claims are about."""
    answers = Answers(captured.truth)
    answers.exits("estimate", 0)
    found = json.loads(answers.said("estimate"))
    advised = f"{found['advised_bytes'] >> 20}M"
    equal(answers.differences, "estimate: measured", found["measured"], True)
    equal(answers.differences, "estimate: crashkernel=", advised, captured.plan.crashkernel)
    equal(answers.differences, "estimate: sum", sum(part["bytes"] for part in found["parts"]), found["advised_bytes"])
    equal(answers.differences, "estimate: reserved", found["reserved_bytes"], found["advised_bytes"])
    equal(answers.differences, "estimate: unknown", found["unknown"], [])
    answers.exits("estimate-text", 0, pattern=rf"^crashkernel={advised} for the capture kernel {re.escape(found['kernel_release'])}$")
    answers.exits("estimate-text", 0, pattern=r"^reserved now: \d+ MiB, enough$")
    for name in ("estimate", "estimate-text"):
        answers.silent(name)
    fail_if(answers.differences, "estimate")


def _not_reserved(answers):
    answers.exits("estimate-text", 0, pattern=rf"^reserved now: nothing; {ADVICE}")
    answers.exits("estimate", 0)
    equal(answers.differences, "reserved", json.loads(answers.said("estimate"))["reserved_bytes"], 0)
    answers.one_line("arm", f"no memory is reserved for a capture kernel: {ADVICE}")
    answers.exits("arm", 1, "err")
    answers.exits("check", 1, pattern=rf"^failed +reserved-memory: no memory is reserved .*\n +{ADVICE}")
    for name in ("before", "first-status", "disarmed"):
        answers.exits(name, 1)
    equal(answers.differences, "armed", json.loads(answers.said("first-status"))["armed"], False)
    fail_if(answers.differences, "without crashkernel=")


def _refusals(answers):
    """One thing wrong with the machine or the configuration: check names it."""
    answers.exits("foreign-kernel", 1, pattern=r"^failed +kernel-image: /tmp/arm64: not an x86 bzImage")
    answers.exits("half-kernel", 1, pattern=r"^failed +kernel-image: /tmp/half: bzImage of 4000000 bytes is cut")
    answers.exits("read-only", 1, pattern=r"^failed +target: /var/crash.*Read-only file system")
    fail_if(answers.differences, "refusals")


def run(claims):
    """A guest whose kernel has no crashkernel=; nothing crashes."""
    plan = capture.Plan("6.1", "pointer", "ext4", crashkernel="", arming=True)
    folder = paths.RUNS / "not-reserved"
    kernel, root, target = capture.prepare(plan, folder)
    with capture.boot(plan, folder, kernel, root, plain_drive(target)) as guest:
        guest.wait(r"hmem-guest: not armed", capture.BOOT_TIMEOUT)
        guest.wait_end(capture.BOOT_TIMEOUT)
    if not images.copy_out(root, "/truth", folder / "out"):
        raise Failure("the guest left no /truth")
    for disk in (root, target):
        disk.unlink()
    claims.hold("names-crashkernel", _not_reserved, Answers(folder / "out" / "truth"))
    claims.hold("refusals", _refusals, Answers(folder / "out" / "truth"))


def cases():
    return [Case("not-reserved", run, 20)]
