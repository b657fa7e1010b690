# SPDX-License-Identifier: GPL-2.0-or-later
"""The dead kernel's memory is spoiled from outside when the capture kernel begins: the best possible dump is made, and what is wrong
is told."""
import dataclasses
import functools
import random

from .. import capture, compare, machine, paths, qmp, scope
from ..errors import Failure
from ..guest_memory import GuestMemory, options
from ..runner import Case
from ..truth import Truth

PLAN = capture.Plan("6.1", "pointer", "ext4", cpu="max,la57=off", until="reset")
PAGE = 4096


def _noise(size):
    """The same in every run."""
    return random.Random(11).randbytes(size)


def section_to_nowhere(memory):
    """The struct pages of the first 128 MiB lie where nothing is mapped; the bits that say that they are there stay."""
    place = memory.section(0)
    memory.put(place, bytes([memory.bytes[place]]) + _noise(5) + b"\x00\xff")


def struct_pages(memory):
    """Of pages of the kernel's image, which no free block covers: each of 64 is the tail of a head that is none; those behind are
    noise."""
    image = memory.phys(memory.symbol("init_uts_ns")) // PAGE
    at = memory.struct_page(image) // PAGE * PAGE
    size = memory.number("SIZE(page)")
    for page in range(at, at + PAGE, size):
        memory.put(page + memory.number("OFFSET(page.compound_head)"), (0xdead000000000001).to_bytes(8, "little"))
    in_a_page = PAGE // size
    memory.put(memory.struct_page(image // in_a_page * in_a_page + in_a_page), _noise(PAGE))


def lying_note(memory):
    """VMCOREINFO: tables that are none."""
    for at in memory.notes():
        place = memory.bytes.find(b"SYMBOL(swapper_pg_dir)=", at)
        if at < place < at + 4096:
            memory.put(place + len(b"SYMBOL(swapper_pg_dir)="), b"ffffffffdeadf000")


@dataclasses.dataclass
class Run:
    spoil: object
    finding: str  # in the dump
    walks: bool  # the crashed kernel can still be understood


RUNS = {
    "section": Run(section_to_nowhere, "classify.unreadable", True),
    "struct-pages": Run(struct_pages, "classify.compound", True),
    "vmcoreinfo": Run(lying_note, "classify.unreadable", False),
}


def run(name, claims):
    told = RUNS[name]
    folder = paths.RUNS / f"flipped-{name}"
    with qmp.Monitor() as monitor:
        file = folder / "memory"
        plan = dataclasses.replace(PLAN, hardware=(*monitor.options, *options(file, PLAN.memory_mib)))
        kernel, root, target = capture.prepare(plan, folder)
        with capture.boot(plan, folder, kernel, root, machine.plain_drive(target)) as guest:
            at, _ = guest.wait(r"hmem-guest: trigger", capture.BOOT_TIMEOUT)
            guest.wait(r"\] Linux version", capture.CAPTURE_TIMEOUT, at)
            monitor.stop()
            with GuestMemory(file) as memory:
                told.spoil(memory)
            monitor.go_on()
            timeline = capture.watch(guest, plan.until)
            lines = list(guest.lines)
        file.unlink()
        captured = capture.collect(plan, folder, root, target, timeline, lines)

    def dump():
        if captured.dump is None or captured.dump.name != "dump.hmem":
            raise Failure(f"no finished dump: {captured.dump}")
        found = scope.report("verify", captured.dump, exits=(0, 3))
        differences = []
        for fate in ("unreadable", "not_reached", "damaged"):
            compare.equal(differences, fate, int(found[f"pages_{fate}"]), 0)
        compare.equal(differences, "complete", found["origin"]["complete"], True)
        # What cannot be told apart is kept.
        if not told.walks:
            compare.equal(differences, "excluded", int(found["pages_excluded"]), 0)
        compare.fail_if(differences, "verify")

    def says_so():
        found = scope.report("verify", captured.dump, exits=(0, 3))["findings"]
        if told.finding not in [one["id"] for one in found]:
            raise Failure(f"no {told.finding!r} among {[one['id'] for one in found]}")

    def understood():
        compare.failure(scope.report("report", captured.record, exits=(0, 3))["failure"], captured, Truth(captured.truth))
        if "quartz_face" not in scope.text("bt", captured.dump, exits=(0, 3)):
            raise Failure("the backtrace lacks quartz_face")

    claims.hold("dump", dump)
    claims.hold("says-so", says_so)
    if told.walks:
        claims.hold("is-understood", understood)


def cases():
    return [Case(f"flipped.{name}", functools.partial(run, name), 60) for name in RUNS]
