# SPDX-License-Identifier: GPL-2.0-or-later
"""Which pages are kept at each of makedumpfile's levels: by what the kernel held of them, and by makedumpfile."""
import collections

from . import elf_segments, page_truth
from .errors import Failure
from .kdump_pages import KdumpPages, State
from .page_truth import PAGE, PageClass
from .shell import run

LEVELS = (1, 2, 4, 8, 16, 31)
# Bits of a level that leave a class out; what no bit leaves out is kept. 1 are zero pages of all classes.
LEFT_OUT_BY = {
    PageClass.CACHE: 2 | 4,
    PageClass.PRIVATE_CACHE: 4,
    PageClass.ANONYMOUS: 8,
    PageClass.HUGETLB: 8,
    PageClass.FREE: 16,
}
# Left out whatever the level.
NEVER_KEPT = (PageClass.OFFLINE, PageClass.POISONED)
ZERO = 1


def zero_pages(elf, pfns):
    """A byte for each pfn: 1 where an ELF file of all memory has nothing but zeros."""
    found = bytearray(pfns)
    nothing = bytes(PAGE)
    for first, end, offset in elf_segments.segments(elf):
        with open(elf, "rb") as file:
            file.seek(offset)
            for pfn in range(first, min(end, len(found))):
                found[pfn] = file.read(PAGE) == nothing
    return found


def expected_states(classes, zero, level):
    """A State for each pfn, by its class and whether it is zero."""
    kept = {number for number in PageClass if number not in NEVER_KEPT and not LEFT_OUT_BY.get(number, 0) & level}
    states = classes.translate(bytes(State.KEPT if number in kept else State.LEFT_OUT for number in range(256)))
    if not level & ZERO:
        return states
    return bytes(State.ZERO if is_zero and state == State.KEPT else state for state, is_zero in zip(states, zero))


def claim_agreement(claims, truth, elf):
    """`elf` is the ELF form of the whole dump that `truth` was read from. makedumpfile does not know that a block of memory was
    taken offline, but no dump of ours has that block."""
    zero = zero_pages(elf, len(truth.classes))
    classes = truth.classes

    def agrees(level):
        made = elf.with_name(f"makedumpfile-{level}")
        made.unlink(missing_ok=True)
        run(["makedumpfile", "-l", "-d", level, elf, made])
        pages = KdumpPages(made)
        made.unlink()
        expected = bytearray(expected_states(classes, zero, level))
        ram = pages.ram.ljust(len(classes), b"\0")
        if any(ram[len(classes):]):
            raise Failure(f"makedumpfile -d {level} has pages behind pfn {len(classes):#x}, the last one of the machine")
        for pfn, (number, there) in enumerate(zip(truth.classes, ram)):
            if there != (number != page_truth.NO_RAM):
                # What must not be touched may be missing from the dump, too.
                if there or number not in NEVER_KEPT:
                    raise Failure(f"pfn {pfn:#x} of class {number}: {'RAM' if there else 'no RAM'} to makedumpfile")
                expected[pfn] = State.LEFT_OUT
        wrong = collections.defaultdict(list)
        for pfn, pair in enumerate(zip(expected, pages.states)):
            if pair[0] != pair[1]:
                wrong[(classes[pfn], *pair)].append(pfn)
        if wrong:
            raise Failure(f"makedumpfile -d {level}: " + "; ".join(
                f"{len(pfns)} pages of class {PageClass(number).name}: {State(ours).name} by it, {State(found).name} by makedumpfile: "
                + truth.shown(pfns) for (number, ours, found), pfns in wrong.items()))

    for level in LEVELS:
        claims.hold(f"makedumpfile-{level}", agrees, level)
