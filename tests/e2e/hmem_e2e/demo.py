# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev demo: one crash of a stock kernel in a VM, then what the record and the dump say of it."""
import sys

from . import capture, paths, scope
from .errors import Failure, Skip

PLAN = capture.Plan("6.1", "pointer", "root", preset="capture")


def _say(text):
    print(f"demo: {text}", file=sys.stderr, flush=True)


def run():
    scope.PRESET = "release"
    _say("booting Debian's 6.1 cloud kernel under QEMU, arming it, and making a module read through a bad pointer")
    try:
        captured = capture.crash(PLAN, "demo")
    except (Failure, Skip) as error:
        _say(str(error))
        return 1
    if captured.record is None or captured.dump is None:
        _say(f"no record or no dump on the guest's disk; see {captured.folder / 'console.log'}")
        return 1
    report = captured.folder / "report.json"
    report.write_text(scope.text("report", "--json", captured.dump), encoding="utf-8")
    print(scope.text("report", captured.dump))
    start = captured.timeline["trigger"]
    _say(f"seconds from panic: capture kernel {captured.timeline['capture kernel up'] - start:.1f}, record durable "
         f"{captured.timeline['record durable'] - start:.1f}, dump durable {captured.timeline['dump durable'] - start:.1f}, "
         f"back in the first kernel {captured.timeline['second boot'] - start:.1f}")
    for what, path in (("record", captured.record), ("dump", captured.dump), ("report as JSON", report),
                       ("console", captured.folder / "console.log"), ("hmemscope", paths.program("release", "hmemscope"))):
        print(f"{what + ':':16}{path}")
    return 0
