# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory in an ELF core of a 64-bit little-endian machine, read without any of our programs."""
import struct

from .errors import Failure
from .page_truth import PAGE

_PT_LOAD = 1
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")


def segments(path):
    """(first pfn, end, offset in the file) of each PT_LOAD, in the file's order."""
    with open(path, "rb") as file:
        head = file.read(64)
        table, (count,) = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)
        file.seek(table)
        headers = file.read(count * _PROGRAM_HEADER.size)
    for kind, _, offset, _, phys, file_bytes, _, _ in _PROGRAM_HEADER.iter_unpack(headers):
        if kind == _PT_LOAD:
            yield phys // PAGE, (phys + file_bytes) // PAGE, offset


def contents(path, runs):
    """The bytes of each (first pfn, pages) of `runs`, which must be there."""
    found = list(segments(path))
    with open(path, "rb") as file:
        for first, count in runs:
            data = b""
            while count:
                place = next(((start, end, offset) for start, end, offset in found if start <= first < end), None)
                if place is None:
                    raise Failure(f"{path}: no PT_LOAD has pfn {first:#x}")
                start, end, offset = place
                here = min(count, end - first)
                file.seek(offset + (first - start) * PAGE)
                data += file.read(here * PAGE)
                first, count = first + here, count - here
            yield data
