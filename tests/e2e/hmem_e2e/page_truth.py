# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel itself held of every page when it failed (tests/zoo/page_truth.c), and what class each page has by that."""
import array
import collections
import enum
import sys

from . import memory_map, paths, scope
from .errors import Failure
from .shell import run

PAGE = 4096
# In a map of classes: there is no RAM at this pfn, or none that a dump has.
NO_RAM = 0xff
# How many pfns of each difference are shown.
SHOWN = 8


class PageClass(enum.IntEnum):
    """PageClass of dumptools/capture/classify/page_class.h."""
    FILTERED_BEFORE = 0
    ZERO = 1
    UNKNOWN = 2
    FREE = 3
    CACHE = 4
    PRIVATE_CACHE = 5
    ANONYMOUS = 6
    HUGETLB = 7
    SLAB = 8
    PAGE_TABLE = 9
    OFFLINE = 10
    POISONED = 11
    KERNEL = 12


class Bit(enum.IntFlag):
    """TRUTH_* of tests/zoo/page_truth.c."""
    WRITTEN = 1 << 0
    VALID = 1 << 1
    ONLINE = 1 << 2
    BUDDY = 1 << 3
    SLAB = 1 << 4
    ANON = 1 << 5
    KSM = 1 << 6
    LRU = 1 << 7
    SWAPBACKED = 1 << 8
    SWAPCACHE = 1 << 9
    PRIVATE = 1 << 10
    HUGETLB = 1 << 11
    HEAD = 1 << 12
    TAIL = 1 << 13
    TABLE = 1 << 14
    OFFLINE = 1 << 15
    HWPOISON = 1 << 16
    HWPOISON_HEAD = 1 << 17
    RESERVED = 1 << 18
    ZERO_PAGE = 1 << 19


ORDER_SHIFT = 24

# The first row whose bits a word has all of decides. What makedumpfile means by its levels, and the safe side where it has no
# word for a page: a page with a memory error is nothing else any more. Of a hugetlb page that has one only the head is marked
# until it is taken apart, so that none of its pages may be touched.
RULES = [
    (Bit.HWPOISON, PageClass.POISONED),
    (Bit.HUGETLB | Bit.HWPOISON_HEAD, PageClass.POISONED),
    (Bit.BUDDY, PageClass.FREE),
    (Bit.SLAB, PageClass.SLAB),
    (Bit.HUGETLB, PageClass.HUGETLB),
    (Bit.ANON, PageClass.ANONYMOUS),
    (Bit.LRU | Bit.PRIVATE, PageClass.PRIVATE_CACHE),
    (Bit.LRU, PageClass.CACHE),
    (Bit.SWAPBACKED | Bit.SWAPCACHE | Bit.PRIVATE, PageClass.PRIVATE_CACHE),
    (Bit.SWAPBACKED | Bit.SWAPCACHE, PageClass.CACHE),
    (Bit.TABLE, PageClass.PAGE_TABLE),
    (Bit.OFFLINE, PageClass.OFFLINE),
]


def class_of(word):
    """The class that a page with this word must have."""
    if not word & Bit.VALID:
        return PageClass.UNKNOWN
    if not word & Bit.ONLINE:
        return PageClass.OFFLINE
    return next((page_class for bits, page_class in RULES if word & bits == bits), PageClass.KERNEL)


def map_of(tool, dump):
    """The bytes of a map that a program of tests/classes makes of a dump."""
    program = paths.program(scope.PRESET, tool)
    if not program.exists():
        raise Failure(f"{program} is not built")
    out = dump.with_name(tool)
    run([program, dump, out])
    return out.read_bytes()


class PageTruth:
    """Words by pfn, and the classes that follow from them: NO_RAM where the dump has nothing."""

    def __init__(self, words, ram):
        self.words = array.array("I")
        self.words.frombytes(words)
        if sys.byteorder == "big":
            self.words.byteswap()
        # In pfns, whole pages.
        self.ram = [(start // PAGE, -(-end // PAGE)) for start, end in ram]
        classes = {word: class_of(word) for word in set(self.words)}
        self.classes = bytearray([NO_RAM]) * len(self.words)
        for first, end in self.ram:
            if not all(word & Bit.WRITTEN for word in self.words[first:end]) or end > len(self.words):
                raise Failure(f"the kernel wrote down nothing of some pfn in {first:#x}-{end:#x}")
            self.classes[first:end] = bytes(classes[word] for word in self.words[first:end])
        self._counts = collections.Counter(word for first, end in self.ram for word in self.words[first:end])

    @classmethod
    def of(cls, dump, iomem):
        return cls(map_of("truth_map", dump), memory_map.dumped_ram(iomem))

    def count(self, bits, order=None):
        """Pages of the dump whose word has all these bits, and this order where one is given."""
        return sum(pages for word, pages in self._counts.items()
                   if word & bits == bits and order in (None, word >> ORDER_SHIFT))

    def not_online(self):
        """pfns whose block of memory was taken offline."""
        return [pfn for first, end in self.ram for pfn in range(first, end)
                if self.words[pfn] & (Bit.VALID | Bit.ONLINE) == Bit.VALID]

    def shown(self, pfns):
        """The first few of them, and what the kernel held of them."""
        return ", ".join(f"{pfn:#x} ({describe(self.words[pfn])})" for pfn in pfns[:SHOWN])

    def figures(self):
        """{name: pages} by class and by predicate, for people."""
        classes = collections.Counter(self.classes)
        found = {f"class {PageClass(number).name.lower()}": pages for number, pages in sorted(classes.items()) if number != NO_RAM}
        found |= {bit.name.lower(): self.count(bit) for bit in Bit}
        orders = sorted({word >> ORDER_SHIFT for word in self._counts})
        for bit in (Bit.ANON, Bit.LRU, Bit.HUGETLB):
            found[f"{bit.name.lower()} by order"] = {order: pages for order in orders if (pages := self.count(bit, order))}
        return found


def _text(number):
    return "no RAM" if number == NO_RAM else PageClass(number).name.lower() if number <= max(PageClass) else f"class {number}"


def differences(truth, classes):
    """Lines, one for each pair of classes in which the kernel and a map of ours differ."""
    if len(classes) < len(truth.classes):
        classes = classes + bytes([NO_RAM]) * (len(truth.classes) - len(classes))
    places = collections.defaultdict(list)
    for pfn, pair in enumerate(zip(truth.classes, classes)):
        if pair[0] != pair[1]:
            places[pair].append(pfn)
    lines = []
    for (expected, found), pfns in sorted(places.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(pfns)} pages are {_text(expected)} to the kernel and {_text(found)} to us: {truth.shown(pfns)}")
    if any(number != NO_RAM for number in classes[len(truth.classes):]):
        lines.append(f"classes of pfns from {len(truth.classes):#x} on, where the machine has none")
    return lines


def describe(word):
    """The predicates of a word, and its order."""
    names = [bit.name.lower() for bit in Bit if word & bit and bit not in (Bit.WRITTEN, Bit.VALID, Bit.ONLINE)]
    if not word & Bit.ONLINE:
        names.append("not online" if word & Bit.VALID else "no struct page")
    return " ".join([*names, f"order {word >> ORDER_SHIFT}"])
