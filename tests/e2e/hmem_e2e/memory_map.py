# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/iomem of the kernel that fails, and what of it the capture kernel sees."""
import re

from .errors import Failure

_LINE = re.compile(r"^ *([0-9a-f]+)-([0-9a-f]+) : (System RAM|Crash kernel) *$", re.MULTILINE)


def dumped_ram(iomem):
    """Half-open ranges of what is called System RAM, without what is reserved for the capture kernel. The first MiB is reserved in
    both (crash_reserve_low_1M), and no core header that x86 makes has it."""
    found = [(match[3], int(match[1], 16), int(match[2], 16) + 1) for match in _LINE.finditer(iomem)]
    left = [(start, end) for kind, start, end in found if kind == "System RAM"]
    for kind, first, last in [("Crash kernel", 0, 1 << 20), *found]:
        if kind == "Crash kernel":
            left = [part for start, end in left for part in ((start, min(end, first)), (max(start, last), end)) if part[0] < part[1]]
    if not left:
        raise Failure(f"no System RAM in {iomem!r}")
    return left
