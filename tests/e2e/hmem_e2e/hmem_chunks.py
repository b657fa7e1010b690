# SPDX-License-Identifier: GPL-2.0-or-later
"""The chunks of an .hmem file as docs/formats/hmem.md lays them out, read without any of our programs."""
import dataclasses
import struct

from .errors import Failure

MAGIC = b"\x89HMF"
HEADER_BYTES = 64
CHUNK_TYPE = 6


@dataclasses.dataclass(frozen=True)
class Chunk:
    tier: int
    end: int  # file offset behind its CHUNK frame


def read(path):
    """All chunks, in the order of the file."""
    chunks = []
    with open(path, "rb") as file:
        at = 0
        while header := file.read(HEADER_BYTES):
            if len(header) != HEADER_BYTES or header[:4] != MAGIC:
                raise Failure(f"{path}: no frame at offset {at:#x}")
            kind, = struct.unpack_from("<H", header, 4)
            stored, = struct.unpack_from("<I", header, 48)
            padded = (stored + 63) // 64 * 64
            if kind == CHUNK_TYPE:
                tier, = struct.unpack_from("<I", file.read(72), 68)
                chunks.append(Chunk(tier, at + HEADER_BYTES + padded))
            at += HEADER_BYTES + padded
            file.seek(at)
    return chunks
