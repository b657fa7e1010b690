# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench: seconds from panic to each milestone, from the timelines that end-to-end runs left in build/e2e."""
import json

from . import paths

EVENTS = ("capture kernel up", "record durable", "dump durable", "second boot")


def run():
    rows = []
    for file in sorted(paths.RUNS.glob("*/timeline.json")):
        timeline = json.loads(file.read_text(encoding="ascii"))
        if "trigger" in timeline:
            rows.append((file.parent.name, [timeline.get(event, 0) - timeline["trigger"] if event in timeline else None
                                            for event in EVENTS]))
    if not rows:
        print("bench: no timelines in build/e2e; ./dev test or ./dev demo makes them")
        return 1
    width = max(len(name) for name, _ in rows)
    print(f"{'seconds from panic to':{width}}  " + "  ".join(f"{event:>17}" for event in EVENTS))
    for name, values in rows:
        print(f"{name:{width}}  " + "  ".join(f"{'-' if v is None else format(v, '.2f'):>17}" for v in values))
    return 0
