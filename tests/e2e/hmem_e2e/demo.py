# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev demo: one crash of a stock kernel in a VM, then what the record and the dump say of it."""
import sys

from . import capture, paths, scope
from .errors import Failure, Skip

PLAN = capture.Plan("6.1", "pointer", "root", preset="capture")


def _say(text):
    print(f"demo: {text}", file=sys.stderr, flush=True)


def _since_panic(timeline, event):
    return f"{timeline[event] - timeline['trigger']:.1f}" if event in timeline else "never said"


def explain(captured):
    """The report of a finished capture, how long what took, and where everything lies."""
    console = captured.folder / "console.log"
    if captured.record is None or captured.dump is None:
        raise Failure(f"no {'record' if captured.record is None else 'dump'} on the guest's disk; see {console}")
    report = captured.folder / "report.json"
    # With losses there is a report all the same, and it lists them.
    report.write_text(scope.text("report", "--json", captured.dump, exits=(0, 3)), encoding="utf-8")
    text = scope.text("report", captured.dump, exits=(0, 3))
    took = ", ".join(f"{what} {_since_panic(captured.timeline, event)}" for what, event in (
        ("capture kernel", "capture kernel up"), ("record durable", "record durable"), ("dump durable", "dump durable"),
        ("back in the first kernel", "second boot")))
    places = (("record", captured.record), ("dump", captured.dump), ("report as JSON", report), ("console", console),
              ("hmemscope", paths.program(scope.PRESET, "hmemscope")))
    return "\n".join([text, f"seconds from panic: {took}", *(f"{what + ':':16}{path}" for what, path in places)])


def run():
    scope.PRESET = "release"
    _say("booting Debian's 6.1 cloud kernel under QEMU, arming it, and making a module read through a bad pointer")
    try:
        print(explain(capture.crash(PLAN, "demo")))
    except (Failure, Skip) as error:
        _say(str(error))
        return 1
    return 0
