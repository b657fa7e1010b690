# SPDX-License-Identifier: GPL-2.0-or-later
"""hmem-init with a plan that is none, and with a target that is too small: it says what is wrong, saves what can be saved, and
the machine is reset."""
import random

from .. import capture, images, kernels, machine, paths, scope
from ..errors import Failure
from ..runner import Case

# Init's plan in the initramfs -> what the console says of it. There is no crash here, and so no old kernel's memory either.
PLANS = {
    "missing": (None, "hmem: stage plan failed: /etc/hmem/init.conf: No such file or directory"),
    "empty": (b"", "hmem: stage plan failed: /etc/hmem/init.conf: "),
    "random": (random.Random(5).randbytes(4096), "hmem: stage plan failed: /etc/hmem/init.conf: line 1: "),
    "cut": (b"target.kind = path\ntarget.name = /var/cr", "hmem: stage plan failed: /etc/hmem/init.conf: "),
}


def _boot_with(name, plan, wanted):
    folder = paths.RUNS / f"init-input-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {"init": (0o755, paths.program("capture", "hmem-init").read_bytes())}
    if plan is not None:
        files["etc/hmem/init.conf"] = (0o644, plan)
    images.write_cpio(folder / "initrd", files, ["dev", "proc", "sys", "etc", "etc/hmem"])
    kernel = kernels.kernel("6.1")
    with machine.Machine(folder, kernel.vmlinuz, folder / "initrd", "console=ttyS0 panic=10", [],
                         extra=["-action", "reboot=shutdown"]) as guest:
        guest.wait_end(capture.BOOT_TIMEOUT)
        lines = [text for _, text in guest.lines]
    for line in (wanted, "hmem: no old kernel's memory here: /proc/vmcore: No such file or directory", "hmem: rebooting"):
        if sum(text.startswith(line) for text in lines) != 1:
            raise Failure(f"plan {name}: the console did not say {line!r} once; see {folder}/console.log")


def run_plans(claims):
    for name, (plan, wanted) in PLANS.items():
        claims.hold(f"plan-{name}", _boot_with, name, plan, wanted)


def run_full_disk(claims):
    """The file system takes the record and half of the dump."""
    plan = capture.Plan("6.1", "pointer", "ext4", target_size="56M", until="reset", settings=capture.EVERYTHING)
    captured = capture.crash(plan, "init-input-full-disk")

    def saved():
        if captured.record is None or captured.dump is None or captured.dump.name != "dump.hmem":
            raise Failure(f"record {captured.record}, dump {captured.dump}")
        found = scope.report("verify", captured.dump, exits=(3,))
        if "full" not in " ".join(finding["text"] for finding in found["findings"]):
            raise Failure(f"verify does not say that the target was full: {found['findings']}")
        if int(found["pages_present"]) < 1000 or int(found["pages_not_reached"]) < 1000:
            raise Failure(f"{found['pages_present']} pages are there, {found['pages_not_reached']} were not reached")
        report = scope.report("report", captured.record, exits=(0, 3))["failure"]
        if report["cause"]["location"]["symbol"] != "quartz_face":
            raise Failure(f"the record places the crash in {report['cause']['location']}")

    claims.hold("full-disk", saved)


def cases():
    return [Case("init-input.plans", run_plans, 30), Case("init-input.full-disk", run_full_disk, 30)]
