# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs of the capture kernel: as many as kdump-arm.conf says, when it says, whichever CPU panicked."""
import dataclasses
import functools
import re

from .. import capture, scope
from ..compare import equal, fail_if
from ..errors import Failure
from ..runner import Case


@dataclasses.dataclass(frozen=True)
class Run:
    """`present` CPUs, a panic on `crashed`, and "cpus = `setting`": the capture kernel starts `first` and dumps with `last`.
    QEMU's boot CPU lets others start it, other than a real one; so the claim is that it is left alone."""
    series: str
    present: int
    crashed: int
    setting: str
    first: int
    last: int
    fault: str = ""

    @property
    def name(self):
        return f"{self.series}-{self.setting}-of-{self.present}-panic-on-{self.crashed}" + ("-cpu-hangs" if self.fault else "")

    @property
    def boot_cpu_stays_off(self):
        """A panic elsewhere, and more CPUs than one: an INIT would reset the machine."""
        return self.crashed != 0 and self.setting != "1"


RUNS = [
    Run("6.1", 2, 0, "1", 1, 1),
    Run("6.1", 2, 0, "2", 2, 2),
    Run("6.1", 3, 1, "2", 2, 2),
    # Configured are two, but the other one is the old boot CPU.
    Run("6.1", 2, 1, "2", 1, 1),
    Run("6.1", 4, 1, "auto", 1, 3),
    Run("6.1", 2, 0, "auto", 1, 1, fault="cpu:hang"),
    Run("6.12", 4, 1, "3", 3, 3),
    Run("6.12", 2, 0, "auto", 1, 2),
    Run("6.12", 3, 1, "auto", 1, 2),
]

# What each series says when it leaves the old boot CPU alone.
LEFT_ALONE = {"6.1": r"APIC: Disabling requested cpu\. Processor \d+/0x0 ignored",
              "6.12": r"Crash kernel detected\. Disabling real BSP to prevent machine INIT"}


def _line(lines, pattern):
    """Number and match of the only line that says this, or (None, None)."""
    found = [(number, match) for number, line in enumerate(lines) if (match := re.search(pattern, line))]
    if len(found) > 1:
        raise Failure(f"/{pattern}/ {len(found)} times: {[lines[number] for number, _ in found]}")
    return found[0] if found else (None, None)


def _cpus(run_, lines):
    """`lines` are the capture kernel's."""
    differences = []
    brought_up = _line(lines, r"smp: Brought up 1 node, (\d+) CPU")[1]
    equal(differences, "CPUs started by the kernel", int(brought_up.group(1)) if brought_up else None, run_.first)
    dumping = _line(lines, r"hmem: dumping with (\d+) CPUs")[1]
    equal(differences, "CPUs that dump", int(dumping.group(1)) if dumping else None, run_.last)
    # 6.1 says so once more when ACPI's driver asks for that CPU.
    equal(differences, "the old boot CPU is left alone", any(re.search(LEFT_ALONE[run_.series], line) for line in lines),
          run_.boot_cpu_stays_off)
    record = _line(lines, r"hmem: record durable: ")[0]
    later = [number for number, line in enumerate(lines) if re.search(r"smpboot: Booting Node 0 Processor \d+ APIC", line)]
    # The kernel names each only where it starts them one by one, after it has come up.
    equal(differences, "CPUs brought up later", len(later), run_.last - 1 if run_.setting == "auto" else 0)
    if record is None or any(number < record for number in later):
        differences.append(f"record durable in line {record}, CPUs brought up in {later}")
    hung = _line(lines, r"hmem: cpu 1 did not come up: killed by signal 9 \(deadline 15 s\)")[0]
    equal(differences, "a CPU did not come up", hung is not None, bool(run_.fault))
    fail_if(differences, "CPUs")


def _saved(run_, captured):
    if captured.record is None or captured.dump is None or captured.dump.name != "dump.hmem":
        raise Failure(f"record {captured.record}, dump {captured.dump}")
    differences = []
    failure = scope.report("report", captured.record)["failure"]
    equal(differences, "crashed CPU", failure["crashed_cpu"], run_.crashed)
    equal(differences, "place", failure["cause"]["location"]["symbol"], "quartz_face")
    found = scope.report("verify", captured.dump)
    for field in ("pages_not_reached", "pages_unreadable"):
        equal(differences, field, int(found[field]), 0)
    if int(found["pages_excluded"]) == 0:
        differences.append("no page was left out")
    equal(differences, "complete", found["origin"]["complete"], True)
    equal(differences, "CPUs online", scope.report("sys", captured.dump)["cpus_online"], run_.present)
    fail_if(differences, "what was saved")


def run(run_, claims):
    plan = capture.Plan(run_.series, "pointer" if run_.crashed else "pointer-on-0", "root", until="reset", cpus=run_.present,
                        settings=(f"cpus = {run_.setting}",), fault=run_.fault,
                        preset="capture-faults" if run_.fault else "capture")
    captured = capture.crash(plan, f"smp-{run_.name}")
    lines = [text for _, text in captured.lines]
    crashed = next(number for number, line in enumerate(lines) if "hmem-guest: trigger" in line)
    claims.hold("cpus", _cpus, run_, lines[crashed:])
    claims.hold("saved", _saved, run_, captured)


def cases():
    return [Case(f"smp.{one.name}", functools.partial(run, one), 35 if one.fault else 20) for one in RUNS]
