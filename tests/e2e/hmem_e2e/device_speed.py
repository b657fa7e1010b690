# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench device: how fast old memory comes in the capture kernel, by each way to read it, in one run of one guest."""
import re
import sys

from . import device_guest, kernels
from .errors import Failure, Skip

# The way that hmemdump took before there was the device; the best way through the device must not be slower.
BEFORE = "/proc/vmcore, mmap, 4 MiB"
# Of a median, on a host that does other things, too.
TOLERANCE = 0.95
CPUS = 1  # as in a capture kernel that is not told otherwise


def measure(series):
    """(text about the range, {way: (median, least, most)} in MiB/s)."""
    with device_guest.DeviceGuest(f"device-speed-{series}", device_guest.stock(kernels.kernel(series)), "speed", CPUS) as guest:
        lines = guest.run()
    ways, about = {}, None
    for line in lines:
        if found := re.search(r"hmem-test: speed range: (.+)$", line):
            about = found.group(1)
        elif found := re.search(r"hmem-test: speed (.+): (\d+) (\d+) (\d+)$", line):
            ways[found.group(1)] = tuple(int(number) for number in found.groups()[1:])
    if not about or BEFORE not in ways:
        failed = [line for line in lines if "hmem-test: failed" in line]
        raise Failure(f"the guest measured nothing: {failed}; see {guest.folder}/console.log")
    return about, ways


def run(series):
    """A Markdown table for each kernel; 1 when the device is slower than what was there before."""
    slower = False
    for one in series:
        print(f"bench: {one}", file=sys.stderr, flush=True)
        try:
            about, ways = measure(one)
        except (Failure, Skip) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        print(f"| {one}: MiB/s, {about} | median | least | most |\n|---|---|---|---|")
        for way, (median, least, most) in ways.items():
            print(f"| {way} | {median} | {least} | {most} |")
        best = max((way for way in ways if way.startswith("/dev/hmem")), key=lambda way: ways[way][0])
        if ways[best][0] < TOLERANCE * ways[BEFORE][0]:
            print(f"bench: {best} is slower than {BEFORE}: {ways[best][0]} and {ways[BEFORE][0]} MiB/s", file=sys.stderr)
            slower = True
    return 1 if slower else 0
