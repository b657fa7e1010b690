# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench: seconds from panic to each milestone, over several crashes of the demo's machine, one at a time."""
import statistics
import sys

from . import capture, demo
from .errors import Failure, Skip

EVENTS = ("capture kernel up", "record durable", "dump durable", "rebooting", "second boot")


def run(runs):
    """Markdown rows of median, least and most; 1 when a crash was not captured."""
    seconds = {event: [] for event in EVENTS}
    for number in range(runs):
        print(f"bench: crash {number + 1} of {runs}", file=sys.stderr, flush=True)
        try:
            timeline = capture.crash(demo.PLAN, f"bench-{number}").timeline
        except (Failure, Skip) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        for event in EVENTS:
            if event not in timeline:
                print(f"bench: crash {number + 1} has no {event!r}", file=sys.stderr)
                return 1
            seconds[event].append(timeline[event] - timeline["trigger"])
    print(f"| seconds from panic to, {runs} crashes | median | least | most |\n|---|---|---|---|")
    for event, values in seconds.items():
        print(f"| {event} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    return 0
