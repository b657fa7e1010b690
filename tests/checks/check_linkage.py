# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes into the capture initramfs is static, without libdw, and within its size budget."""

import struct

from tree import judged, skipped

MIB = 1 << 20
# Program, its folder, and the most it may weigh, stripped. The initramfs holds the first two.
BUDGETS = [
    ("hmemdump", "dumptools/tools/hmemdump", 5 * MIB),
    ("hmem-init", "capture-kernel/init", 2 * MIB),
    ("kdump-arm", "dumptools/tools/kdump-arm", 3 * MIB),
]
# Text that libdw carries in its error table and version symbols.
LIBDW_MARKS = (b"dwfl_", b"No DWARF information", b"invalid DWARF")
PT_DYNAMIC, PT_INTERP = 2, 3


def program_header_types(data):
    """Types of the program headers of a 64-bit little-endian ELF file; None when it is not one."""
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        return None
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    if size < 4 or offset + size * count > len(data):
        return None
    return {struct.unpack_from("<I", data, offset + size * i)[0] for i in range(count)}


def check(tree):
    problems, seen = [], 0
    for name, folder, budget in BUDGETS:
        path = tree.build / "capture" / folder / name
        if not path.is_file():
            continue
        seen += 1
        data = path.read_bytes()
        types = program_header_types(data)
        if types is None:
            problems.append(f"{name}: not an ELF program of this machine")
            continue
        if PT_INTERP in types:
            problems.append(f"{name}: not static: it names a loader")
        for mark in LIBDW_MARKS:
            if mark in data:
                problems.append(f"{name}: contains libdw ('{mark.decode()}')")
        if len(data) > budget:
            problems.append(f"{name}: {len(data)} bytes, budget {budget}")
    if seen == 0:
        return skipped("no capture build: cmake --preset capture && cmake --build --preset capture")
    return judged(problems)
