#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cases of page classes compare with, on made answers of a kernel and made files: a wrong page must show."""

import pathlib
import struct
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.dont_write_bytecode = True

from hmem_e2e import kept_pages, memory_map, page_truth  # noqa: E402
from hmem_e2e.errors import Failure  # noqa: E402
from hmem_e2e.kdump_pages import KdumpPages, State  # noqa: E402
from hmem_e2e.page_truth import NO_RAM, Bit, PageClass, class_of  # noqa: E402

THERE = Bit.WRITTEN | Bit.VALID | Bit.ONLINE
BLOCK = 4096


def truth_of(words, ram):
    return page_truth.PageTruth(struct.pack(f"<{len(words)}I", *words), [(first * BLOCK, end * BLOCK) for first, end in ram])


class Classes(unittest.TestCase):
    def claim(self, bits, expected):
        self.assertEqual(class_of(THERE | bits), expected)

    def test_each_predicate_alone(self):
        for bits, expected in (
                (0, PageClass.KERNEL), (Bit.BUDDY, PageClass.FREE), (Bit.SLAB, PageClass.SLAB), (Bit.ANON, PageClass.ANONYMOUS),
                (Bit.LRU, PageClass.CACHE), (Bit.LRU | Bit.PRIVATE, PageClass.PRIVATE_CACHE), (Bit.HUGETLB, PageClass.HUGETLB),
                (Bit.TABLE, PageClass.PAGE_TABLE), (Bit.OFFLINE, PageClass.OFFLINE), (Bit.HWPOISON, PageClass.POISONED),
                (Bit.RESERVED, PageClass.KERNEL), (Bit.PRIVATE, PageClass.KERNEL), (Bit.ZERO_PAGE, PageClass.KERNEL)):
            self.claim(bits, expected)

    def test_swap_cache_is_cache_without_the_list_of_pages(self):
        self.claim(Bit.SWAPBACKED | Bit.SWAPCACHE, PageClass.CACHE)
        self.claim(Bit.SWAPBACKED, PageClass.KERNEL)
        self.claim(Bit.SWAPCACHE, PageClass.KERNEL)

    def test_anonymous_pages_are_no_cache(self):
        self.claim(Bit.ANON | Bit.LRU | Bit.SWAPBACKED | Bit.SWAPCACHE, PageClass.ANONYMOUS)
        self.claim(Bit.ANON | Bit.KSM | Bit.LRU | Bit.PRIVATE, PageClass.ANONYMOUS)

    def test_a_memory_error_counts_more_than_what_the_page_was(self):
        self.claim(Bit.HWPOISON | Bit.ANON | Bit.LRU, PageClass.POISONED)
        self.claim(Bit.HWPOISON_HEAD | Bit.HUGETLB | Bit.TAIL, PageClass.POISONED)
        self.claim(Bit.HWPOISON_HEAD | Bit.ANON | Bit.TAIL, PageClass.ANONYMOUS)

    def test_nothing_is_known_of_a_page_that_is_not_online(self):
        self.assertEqual(class_of(Bit.WRITTEN | Bit.VALID), PageClass.OFFLINE)
        self.assertEqual(class_of(Bit.WRITTEN), PageClass.UNKNOWN)


class Maps(unittest.TestCase):
    def setUp(self):
        self.truth = truth_of([0, THERE | Bit.BUDDY, THERE | Bit.LRU, THERE, THERE], [(1, 4)])

    def test_only_ram_has_a_class(self):
        self.assertEqual(list(self.truth.classes), [NO_RAM, PageClass.FREE, PageClass.CACHE, PageClass.KERNEL, NO_RAM])

    def test_the_same_map_has_no_difference(self):
        self.assertEqual(page_truth.differences(self.truth, bytes(self.truth.classes)), [])
        self.assertEqual(page_truth.differences(self.truth, bytes(self.truth.classes[:4])), [])

    def test_one_wrong_page_is_told(self):
        for pfn, number, told in ((2, PageClass.KERNEL, "1 pages are cache to the kernel and kernel to us: 0x2 (lru order 0)"),
                                  (1, NO_RAM, "1 pages are free to the kernel and no RAM to us: 0x1 (buddy order 0)"),
                                  (4, 200, "1 pages are no RAM to the kernel and class 200 to us: 0x4 (order 0)")):
            found = bytearray(self.truth.classes)
            found[pfn] = number
            self.assertEqual(page_truth.differences(self.truth, bytes(found)), [told])

    def test_pages_behind_the_last_one_are_told(self):
        found = bytes(self.truth.classes) + bytes([PageClass.FREE])
        self.assertIn("from 0x5 on", page_truth.differences(self.truth, found)[0])

    def test_a_page_without_an_answer_is_refused(self):
        with self.assertRaises(Failure):
            truth_of([THERE, 0], [(0, 2)])
        with self.assertRaises(Failure):
            truth_of([THERE], [(0, 2)])

    def test_pages_are_counted_where_there_is_ram(self):
        self.assertEqual(self.truth.count(THERE), 3)
        self.assertEqual(self.truth.count(Bit.LRU), 1)
        self.assertEqual(self.truth.count(Bit.LRU, 9), 0)


class DumpedRam(unittest.TestCase):
    IOMEM = ("00001000-0009fbff : System RAM \n00100000-3ffdefff : System RAM\n  02000000-02ffffff : Kernel code\n"
             "  30000000-3bffffff : Crash kernel\n")

    def test_the_reserved_part_and_the_first_mib_are_not_dumped(self):
        self.assertEqual(memory_map.dumped_ram(self.IOMEM), [(0x100000, 0x30000000), (0x3c000000, 0x3ffdf000)])

    def test_no_ram_is_refused(self):
        with self.assertRaises(Failure):
            memory_map.dumped_ram("00000000-00000000 : Reserved\n")


class KeptPages(unittest.TestCase):
    def test_each_level_leaves_out_its_classes(self):
        classes = bytes([PageClass.KERNEL, PageClass.CACHE, PageClass.PRIVATE_CACHE, PageClass.ANONYMOUS, PageClass.HUGETLB,
                         PageClass.FREE, PageClass.POISONED, NO_RAM])
        zero = bytes([1, 0, 0, 0, 0, 1, 1, 0])
        for level, expected in ((0, "11111100"), (1, "21111200"), (2, "10111100"), (4, "10011100"), (8, "11100100"),
                                (16, "11111000"), (31, "20000000")):
            found = kept_pages.expected_states(classes, zero, level)
            self.assertEqual("".join(map(str, map(int, found))), expected, f"level {level}")

    def test_a_file_is_read_page_by_page(self):
        with tempfile.TemporaryDirectory() as scratch:
            file = pathlib.Path(scratch) / "kdump"
            # pfns 0 to 9 but 3 are RAM; of them 1, 2 and 9 are kept, 2 as the page of zeros.
            head = bytearray(2 * BLOCK)
            struct.pack_into("<8si", head, 0, b"KDUMP   ", 6)
            struct.pack_into("<iiI", head, 428, BLOCK, 1, 2)
            struct.pack_into("<Q", head, BLOCK + 96, 10)
            bitmaps = b"\xf7\x03".ljust(BLOCK, b"\0") + b"\x06\x02".ljust(BLOCK, b"\0")
            data = len(head) + len(bitmaps) + 3 * 24
            pages = [(data + BLOCK, 5, 2, 0), (data, BLOCK, 0, 0), (data + BLOCK + 5, 7, 2, 0)]
            descriptors = b"".join(struct.pack("<qIIQ", *page) for page in pages)
            file.write_bytes(bytes(head) + bitmaps + descriptors + bytes(BLOCK) + b"packed or so")
            found = KdumpPages(file)
            self.assertEqual(list(found.ram), [1, 1, 1, 0, 1, 1, 1, 1, 1, 1])
            expected = [State.LEFT_OUT] * 10
            expected[1], expected[2], expected[9] = State.KEPT, State.ZERO, State.KEPT
            self.assertEqual(list(found.states), expected)

    def test_another_file_is_refused(self):
        with tempfile.TemporaryDirectory() as scratch:
            file = pathlib.Path(scratch) / "no-kdump"
            file.write_bytes(b"\x7fELF".ljust(BLOCK, b"\0"))
            with self.assertRaises(Failure):
                KdumpPages(file)


if __name__ == "__main__":
    unittest.main()
