# SPDX-License-Identifier: GPL-2.0-or-later
"""pages.py DUMP RUNS OUT: what drgn reads of physical memory. RUNS: a line "first-pfn pages" for each piece."""
import sys

import drgn

PAGE = 4096


def main():
    program = drgn.Program()
    program.set_core_dump(sys.argv[1])
    with open(sys.argv[2], encoding="ascii") as runs, open(sys.argv[3], "wb") as out:
        for line in runs:
            first, count = map(int, line.split())
            for pfn in range(first, first + count):
                out.write(program.read(pfn * PAGE, PAGE, True))


main()
