# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench sparse: the dump of a machine with 4 TiB, mostly free. It is made of the one of ./dev bench capture: its kernel gets
more RAM, whose struct pages are the same two pieces over and over, in a file that is sparse.

x86-64, 4 or 5 levels of page tables, struct pages in a vmemmap: what Debian's kernels have."""
import os
import pathlib
import re
import shutil
import struct
import sys
import tempfile
import time

from hmem_e2e import paths
from hmem_e2e.errors import Failure, Skip

from . import image, process

PAGE = 4096
HUGE = 2 << 20
RAM_START, RAM_BYTES = 1 << 40, 4 << 40
SECTION_BYTES = 128 << 20  # what 2 MiB of struct pages of 64 bytes tell of
# Of so many sections one is used.
USED_EVERY = 512
# Used sections with bytes; the others' are zero.
WITH_DATA = 16

_TABLE, _LEAF = 0x67, 0x80000000000001e3  # flags of an entry that names a table, of one that maps 2 MiB
_TABLE_MASK = 0x000ffffffffff000
_PT_LOAD = 1


class _Core:
    """The file, written at physical and at virtual addresses."""

    def __init__(self, path):
        self.file = open(path, "r+b")  # pylint: disable=consider-using-with
        head = self.file.read(64)
        offset, count = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
        self.file.seek(offset)
        self.headers = [struct.unpack("<IIQQQQQQ", self.file.read(56)) for _ in range(count)]
        self.loads = [(header[4], header[5], header[2]) for header in self.headers if header[0] == _PT_LOAD]
        self.file.seek(0)
        self.info = re.search(rb"OSRELEASE=[^\0]*", self.file.read(4 << 20))[0].decode("ascii")

    def number(self, name, base=10):
        return int(re.search(rf"^{re.escape(name)}=(\S+)$", self.info, re.MULTILINE)[1], base)

    def _seek(self, phys):
        start, bytes_there, offset = next(load for load in reversed(self.loads) if 0 <= phys - load[0] < load[1])
        del bytes_there
        self.file.seek(offset + phys - start)

    def read_u64(self, phys):
        self._seek(phys)
        return struct.unpack("<Q", self.file.read(8))[0]

    def write(self, phys, data):
        self._seek(phys)
        self.file.write(data)

    def add_ram(self):
        """New program headers behind all there is, and the RAM behind them; both at page boundaries."""
        end = -(-self.file.seek(0, os.SEEK_END) // PAGE) * PAGE
        ram_offset = end + PAGE
        self.headers.append((_PT_LOAD, 7, ram_offset, 0, RAM_START, RAM_BYTES, RAM_BYTES, PAGE))
        self.loads.append((RAM_START, RAM_BYTES, ram_offset))
        self.file.seek(end)
        self.file.write(b"".join(struct.pack("<IIQQQQQQ", *header) for header in self.headers))
        self.file.seek(32)
        self.file.write(struct.pack("<Q", end))
        self.file.seek(56)
        self.file.write(struct.pack("<H", len(self.headers)))
        self.file.truncate(ram_offset + RAM_BYTES)


class _Tables:
    """The kernel's page tables; pages for new ones come from the start of the new RAM."""

    def __init__(self, core):
        self.core = core
        self.next_page = RAM_START
        phys_base = core.number("NUMBER(phys_base)")
        self.top = core.number("SYMBOL(swapper_pg_dir)", 16) - 0xffffffff80000000 + phys_base
        self.top_shift = 48 if core.number("NUMBER(pgtable_l5_enabled)") else 39

    def new_pages(self, data):
        at = self.next_page
        self.core.write(at, data)
        self.next_page += -(-len(data) // PAGE) * PAGE
        return at

    def entry_at(self, address, shift, make=False):
        """Where the entry of this level is: 30 for a GiB, 21 for 2 MiB."""
        table, level = self.top, self.top_shift
        while level > shift:
            at = table + (address >> level & 511) * 8
            entry = self.core.read_u64(at)
            if not entry & 1 and make:
                entry = self.new_pages(bytes(PAGE)) | _TABLE
                self.core.write(at, struct.pack("<Q", entry))
            if not entry & 1 or entry & 0x80:
                raise ValueError(f"virt {address:#x}: no table at level {level}")
            table, level = entry & _TABLE_MASK, level - 9
        return table + (address >> shift & 511) * 8

    def phys(self, address):
        for shift in (30, 21, 12):
            entry = self.core.read_u64(self.entry_at(address, shift))
            if shift == 12 or entry & 0x80:
                return (entry & _TABLE_MASK & -(1 << shift)) | address & ((1 << shift) - 1)
        raise AssertionError


def _struct_page(info, flags=0, mapping=0, private=0, mapcount=-1):
    page = bytearray(64)
    for name, code, value in (("flags", "<Q", flags), ("mapping", "<Q", mapping), ("private", "<Q", private),
                              ("_mapcount", "<i", mapcount)):
        struct.pack_into(code, page, info(f"OFFSET(page.{name})"), value)
    return bytes(page)


def _free_section(number):
    """Blocks of the highest order."""
    order = number("LENGTH(zone.free_area)") - 1
    head = _struct_page(number, private=order, mapcount=number("NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)"))
    block = head + _struct_page(number) * ((1 << order) - 1)
    return block * (HUGE // len(block))


def _used_section(number):
    """By 32 pages each: slab, anonymous, page cache, the kernel's own."""
    lru = 1 << number("NUMBER(PG_lru)")
    kinds = [_struct_page(number, flags=1 << number("NUMBER(PG_slab)")), _struct_page(number, flags=lru, mapping=1, mapcount=0),
             _struct_page(number, flags=lru, mapping=0xffff888000000000), _struct_page(number)]
    stretch = b"".join(page * 32 for page in kinds)
    return stretch * (HUGE // len(stretch))


def _add_struct_pages(core, tables):
    """Sections and vmemmap of the new RAM: every table that is alike is there once."""
    roots = core.number("SYMBOL(mem_section)", 16)
    section_bytes = core.number("SIZE(mem_section)")
    first_root = core.read_u64(tables.phys(roots))
    mem_map = core.read_u64(tables.phys(first_root) + core.number("OFFSET(mem_section.section_mem_map)"))
    vmemmap = mem_map & ~0x3f

    tables.next_page = RAM_START + HUGE
    free = tables.new_pages(_free_section(core.number))
    used = tables.new_pages(_used_section(core.number))
    tables.next_page = RAM_START
    middle = tables.new_pages(b"".join(struct.pack("<Q", (used if i % USED_EVERY == 0 else free) | _LEAF) for i in range(512)))
    for gib in range(RAM_BYTES // PAGE * 64 >> 30):
        address = vmemmap + RAM_START // PAGE * 64 + (gib << 30)
        core.write(tables.entry_at(address, 30, make=True), struct.pack("<Q", middle | _TABLE))

    per_root = PAGE // section_bytes
    section = struct.pack("<Q", mem_map).ljust(section_bytes, b"\0")
    root_phys = tables.new_pages(section * per_root)
    # Where the kernel's direct map would have it.
    direct = first_root - tables.phys(first_root)
    core.write(tables.entry_at(direct + RAM_START, 30, make=True), struct.pack("<Q", RAM_START | _LEAF))
    for root in range(RAM_START // SECTION_BYTES // per_root, (RAM_START + RAM_BYTES) // SECTION_BYTES // per_root):
        core.write(tables.phys(roots + root * 8), struct.pack("<Q", direct + root_phys))


def make(small, path):
    """`small` is an ELF core of all memory of a guest; `path` is written."""
    shutil.copyfile(small, path)
    core = _Core(path)
    core.add_ram()
    _add_struct_pages(core, _Tables(core))
    core.file.seek(0)
    data = core.file.read(4 << 20)
    for number in range(1, 1 + WITH_DATA):
        core.write(RAM_START + number * USED_EVERY * SECTION_BYTES, data)
    core.file.close()


def run():
    """Prints how long each number of jobs takes, and in how much memory; 1 when it cannot be made or dumped."""
    folder = paths.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        memory = image.memory()
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            scratch = pathlib.Path(scratch)
            core = scratch / "4t.elf"
            make(memory, core)
            print("| | wall s | peak MiB | anonymous | locked | bytes |\n" + "|---" * 6 + "|")
            for jobs in (1, 2):
                out = scratch / f"{jobs}.hmem"
                start = time.monotonic()
                peaks = process.peaks([paths.program("release", "hmemdump"), "-x", "31", "-j", jobs, "--no-record", core, out], scratch, (0, 3))
                seconds = time.monotonic() - start
                print(f"| hmemdump -x 31 -j {jobs}, 4 TiB | {seconds:.1f} | {peaks['VmHWM'] / 1024:.1f} | {peaks['RssAnon'] / 1024:.1f} | "
                      f"{peaks['VmLck'] / 1024:.1f} | {out.stat().st_size:,} |", flush=True)
    except (Failure, Skip) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0
