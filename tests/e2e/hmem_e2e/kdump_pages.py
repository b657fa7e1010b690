# SPDX-License-Identifier: GPL-2.0-or-later
"""Which pages a kdump-compressed file of a 64-bit little-endian machine holds; enough of the format to look at what
makedumpfile left out. See docs/formats and hmem/format/kdump_header.h for all of it."""
import enum
import itertools
import mmap
import struct

from .errors import Failure

_HEADER = struct.Struct("<8si")
# block_size, sub_hdr_size, bitmap_blocks.
_BLOCKS = struct.Struct("<iiI")
_BLOCKS_AT = 428
_MAX_MAPNR_64_AT = 96
_DESCRIPTOR = struct.Struct("<qIIQ")


class State(enum.IntEnum):
    """What a file has of a page."""
    LEFT_OUT = 0
    KEPT = 1
    # Kept; its content is the page of zeros that all such share. There is one when zero pages were to be left out.
    ZERO = 2


class KdumpPages:
    """`ram` has a byte 0 or 1 for each pfn, `states` a State."""

    def __init__(self, path):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            self._read(path, data)

    def _read(self, path, data):
        signature, version = _HEADER.unpack_from(data)
        if signature != b"KDUMP   " or version < 6:
            raise Failure(f"{path}: not kdump-compressed of version 6: {signature!r} {version}")
        block, sub_blocks, bitmap_blocks = _BLOCKS.unpack_from(data, _BLOCKS_AT)
        (pfns,) = struct.unpack_from("<Q", data, block + _MAX_MAPNR_64_AT)
        bitmap = block * (1 + sub_blocks)
        half = bitmap_blocks // 2 * block
        at = bitmap + 2 * half
        if at > len(data) or pfns > 8 * half:
            raise Failure(f"{path}: {pfns} pfns, {bitmap_blocks} blocks of bitmaps in {len(data)} bytes")
        self.ram = _bits(data[bitmap:bitmap + half], pfns)
        self.states = _bits(data[bitmap + half:at], pfns)
        descriptors = list(_DESCRIPTOR.iter_unpack(data[at:at + _DESCRIPTOR.size * sum(self.states)]))
        # makedumpfile has it right behind the descriptors, hmemdump at the next block.
        first_data = min((offset for offset, *_ in descriptors), default=0)
        first_is_used = any(data[first_data:first_data + block])
        kept = itertools.compress(range(pfns), self.states)
        for pfn, (offset, _, flags, _) in zip(kept, descriptors):
            if offset == first_data and flags == 0 and not first_is_used:
                self.states[pfn] = State.ZERO


def _bits(packed, count):
    """A byte 0 or 1 for each of the first `count` bits, lowest of a byte first."""
    spread = [bytes(byte >> bit & 1 for bit in range(8)) for byte in range(256)]
    return bytearray(b"".join(spread[byte] for byte in packed)[:count])
