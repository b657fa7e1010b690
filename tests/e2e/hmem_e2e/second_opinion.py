# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's drgn, with the kernel's DWARF, opens the ELF form of a dump of ours and must agree with hmemscope."""
import json

from . import compare, kernels, paths, scope
from .errors import Failure
from .shell import run as run_program

# Debian's drgn is a module of Debian's Python, which need not be the first in PATH.
PYTHON = "/usr/bin/python3"
SCRIPT = paths.ROOT / "tests" / "e2e" / "drgn" / "ask.py"


def claim_agreement(claims, captured):
    """Claims about a finished dump of a kernel whose -dbg package there is. drgn walks no stack through a module that has
    no DWARF, so the crash must be the kernel's own."""
    if run_program([PYTHON, "-c", "import drgn"], check=False).returncode != 0:
        raise Failure("python3-drgn is not installed")
    vmlinux = kernels.kernel(captured.plan.series).debug_vmlinux()

    def made(source, form):
        file = captured.folder / f"dump.{form}"
        file.unlink(missing_ok=True)
        run_program([paths.program(scope.PRESET, "hmemdump"), "--no-record", "-F", form, source, file], timeout=300)
        return file

    def asked(file):
        return json.loads(run_program([PYTHON, SCRIPT, file, vmlinux], timeout=300).stdout)

    elf = made(captured.dump, "elf")
    told = asked(elf)
    report = scope.report("report", captured.dump)["failure"]

    def panic():
        differences = []
        compare.equal(differences, "crashed CPU", told["crashed_cpu"], report["crashed_cpu"])
        compare.equal(differences, "crashed pid", told["crashed_pid"], report["crashed_task"]["pid"])
        if report["cause"]["oops_message"] not in told["log"]:
            differences.append(f"oops message: {report['cause']['oops_message']!r} is not in drgn's log")
        # The record's panic message is empty when the oops path crashed before panic() said anything.
        if report["cause"]["panic_message"] not in told["log"]:
            differences.append(f"panic message: {report['cause']['panic_message']!r} is not in drgn's log")
        compare.fail_if(differences, "drgn disagrees")

    def tasks():
        ours = sorted([t["pid"], t["comm"], int(t["address"])] for t in scope.report("ps", captured.dump)["tasks"] if t["pid"])
        theirs = sorted(told["tasks"])
        compare.fail_if([f"only in {who}: {task}" for who, one, other in (("hmemscope", ours, theirs), ("drgn", theirs, ours))
                         for task in one if task not in other], "task lists")

    def stack():
        (crashed,) = [cpu for cpu in report["cpus"] if cpu["crashed"]]
        # Kernel addresses: what each shows of the user's side differs.
        ours = [hex(int(frame["pc"])) for frame in crashed["stack"]["frames"] if int(frame["pc"]) >> 63]
        theirs = [hex(pc) for pc in told["stack"] if pc >> 63]
        differences = []
        compare.equal(differences, "addresses", ours, theirs)
        compare.fail_if(differences, "crashing stack")

    def through_kdump():
        """That has no virtual addresses: the ELF core has them of the kernel's page tables."""
        kdump = made(captured.dump, "kdump")
        compare.equal(differences := [], "what drgn tells", asked(made(kdump, "elf")), told)
        compare.fail_if(differences, "an ELF core by way of kdump")
        kdump.unlink()

    claims.hold("drgn-through-kdump", through_kdump)
    claims.hold("drgn-panic", panic)
    claims.hold("drgn-tasks", tasks)
    claims.hold("drgn-stack", stack)
    elf.unlink()
