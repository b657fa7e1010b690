# SPDX-License-Identifier: GPL-2.0-or-later
"""The physical memory of an x86_64 guest as a file of the host: found by VMCOREINFO and page tables, and spoiled."""
import mmap
import re
import struct

from .errors import Failure

_KERNEL_MAP = 0xffffffff80000000
_PRESENT, _LARGE = 1, 1 << 7
_ADDRESS = 0x000ffffffffff000


def options(file, mib):
    """QEMU's, for memory that is that file."""
    return ("-object", f"memory-backend-file,id=ram,size={mib}M,mem-path={file},share=on", "-machine", "memory-backend=ram")


class GuestMemory:
    """Of a machine that stands still, below 3 GiB, with page tables of 4 levels."""

    def __init__(self, file):
        self._file = open(file, "r+b")  # pylint: disable=consider-using-with
        self.bytes = mmap.mmap(self._file.fileno(), 0)
        self.info = self._vmcoreinfo()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.bytes.close()
        self._file.close()

    def notes(self):
        """Where the text of VMCOREINFO lies: the notes, and what they were made of."""
        return [match.start() for match in re.finditer(rb"OSRELEASE=\d[^\n]*\n(?:BUILD-ID|PAGESIZE)=", self.bytes)]

    def _vmcoreinfo(self):
        for at in self.notes():
            text = self.bytes[at:self.bytes.find(b"\0", at)].decode("ascii", "replace")
            keys = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            if "SYMBOL(swapper_pg_dir)" in keys:
                return keys
        raise Failure("no VMCOREINFO in the guest's memory")

    def symbol(self, name):
        return int(self.info[f"SYMBOL({name})"], 16)

    def number(self, key):
        return int(self.info[key])

    def _word(self, phys):
        return struct.unpack_from("<Q", self.bytes, phys)[0]

    def phys(self, virt):
        """Of a kernel address."""
        table = self.symbol("swapper_pg_dir") - _KERNEL_MAP + self.number("NUMBER(phys_base)")
        for shift in (39, 30, 21, 12):
            entry = self._word(table + (virt >> shift) % 512 * 8)
            if not entry & _PRESENT:
                raise Failure(f"{virt:#x} is not mapped")
            table = entry & _ADDRESS
            if shift == 12 or entry & _LARGE:
                return (table >> shift << shift) + virt % (1 << shift)
        raise AssertionError

    def section(self, number):
        """Physical address of the word of a mem_section that leads to its struct pages (sparse-extreme: roots of a page each)."""
        size = self.number("SIZE(mem_section)")
        if number >= 4096 // size:
            raise Failure(f"section {number} is not in the first root")
        first = self._word(self.phys(self.symbol("mem_section")))
        return self.phys(first + number * size + self.number("OFFSET(mem_section.section_mem_map)"))

    def struct_page(self, pfn):
        """Physical address."""
        pages = self._word(self.section(pfn >> self.number("NUMBER(SECTION_SIZE_BITS)") - 12)) & ~0xff
        return self.phys(pages + pfn * self.number("SIZE(page)"))

    def put(self, phys, data):
        self.bytes[phys:phys + len(data)] = data
