# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads QEMU's blklogwrites log (the format of Linux's dm-log-writes, Documentation/admin-guide/device-mapper/log-writes.rst)
and rebuilds the disk as a power cut would have left it."""
import dataclasses
import os
import struct

from .errors import Failure

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")


@dataclasses.dataclass(frozen=True)
class Entry:
    offset: int
    length: int
    flags: int
    # Where the data lies in the log; a discard has none.
    data: int


def drive(image, log):
    """Options of QEMU's -drive for a disk whose writes and flushes are logged."""
    with open(log, "wb") as handle:
        handle.truncate(8 << 30)
    return (f"driver=blklogwrites,log-super-update-interval=1,file.driver=raw,file.file.driver=file,"
            f"file.file.filename={image},log.driver=raw,log.file.driver=file,log.file.filename={log}")


def count(log):
    """Entries so far, while QEMU still runs."""
    with open(log, "rb") as handle:
        head = handle.read(_SUPER.size)
    magic, _, entries, _ = _SUPER.unpack(head)
    return entries if magic == MAGIC else 0


class WriteLog:
    def __init__(self, path):
        self._file = open(path, "rb")  # pylint: disable=consider-using-with
        magic, version, number, sector = _SUPER.unpack(self._file.read(_SUPER.size))
        if magic != MAGIC or version != 1:
            raise Failure(f"{path}: not a write log: magic {magic:#x}, version {version}")
        self.entries = []
        at, end = sector, os.fstat(self._file.fileno()).st_size
        for _ in range(number):
            self._file.seek(at)
            first, sectors, flags, _ = _ENTRY.unpack(self._file.read(_ENTRY.size))
            at += sector
            length = sectors * sector
            self.entries.append(Entry(first * sector, length, flags, at))
            if not flags & (DISCARD | MARK):
                at += length
            if at > end:
                raise Failure(f"{path}: entry {len(self.entries)} reaches past the end")

    def flushed(self, cut):
        """How many of the first `cut` entries a flush has made durable."""
        for index in range(cut - 1, -1, -1):
            if self.entries[index].flags & FLUSH:
                return index
        return 0

    def apply(self, disk, indices):
        """Writes these entries to an open image, in the order given."""
        for index in indices:
            entry = self.entries[index]
            if entry.flags & MARK or entry.length == 0:
                continue
            if entry.flags & DISCARD:
                data = bytes(entry.length)
            else:
                self._file.seek(entry.data)
                data = self._file.read(entry.length)
            disk.seek(entry.offset)
            disk.write(data)
        disk.flush()
