# SPDX-License-Identifier: GPL-2.0-or-later
"""The bytes of every page that a dump keeps, in each format and by each reader, against those that the machine had."""
import mmap

from . import elf_segments, paths, scope
from .errors import Failure
from .kdump_pages import KdumpPages, State
from .page_truth import PAGE
from .second_opinion import PYTHON
from .shell import run

SCRIPT = paths.ROOT / "tests" / "e2e" / "drgn" / "pages.py"
SHOWN = 8
# hmemdump's words for every format and codec.
HMEM = tuple(("-F", "hmem", "-c", codec) for codec in ("lz4", "lz4:9", "zstd", "none"))
KDUMP = tuple(("-F", "kdump", "-c", codec) for codec in ("zlib", "lzo", "snappy", "zstd", "none"))
ELF = ("-F", "elf")
FLAT = (("-F", "flat"), ("-F", "flat-elf"))


def _runs(pfns):
    """(first, count) of pfns in a row."""
    runs = []
    for pfn in pfns:
        if runs and sum(runs[-1]) == pfn:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((pfn, 1))
    return runs


class Content:
    """`memory` is what QEMU saved of the machine, from address 0 on. The pages that `dump` keeps are those that a kdump file of it
    has, read without our programs."""

    def __init__(self, dump, memory, folder):
        self.dump, self.memory, self.folder = dump, memory, folder
        self.program = paths.program(scope.PRESET, "hmemdump")
        states = KdumpPages(self.made("kept.kdump", "-F", "kdump", "-c", "none")).states
        (folder / "kept.kdump").unlink()
        self.runs = _runs(pfn for pfn, state in enumerate(states) if state != State.LEFT_OUT)
        self.pages = sum(count for _, count in self.runs)
        self.zero_pages = states.count(State.ZERO)
        self.places = folder / "kept-runs"
        self.places.write_text("".join(f"{first} {count}\n" for first, count in self.runs), encoding="ascii")

    def made(self, name, *words, source=None):
        """What hmemdump makes of the dump, or of another form of it."""
        file = self.folder / name
        file.unlink(missing_ok=True)
        run([self.program, "--no-record", *words, source or self.dump, file], timeout=900)
        return file

    def compare(self, who, contents):
        """`contents`: the bytes of one run behind the other, for each of `runs`."""
        wrong = []
        with open(self.memory, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            for (first, count), found in zip(self.runs, contents, strict=True):
                expected = memory[first * PAGE:(first + count) * PAGE]
                if found != expected:
                    wrong += [first + at for at in range(count) if found[at * PAGE:(at + 1) * PAGE] != expected[at * PAGE:(at + 1) * PAGE]]
        if wrong:
            raise Failure(f"{who}: {len(wrong)} of {self.pages} pages are not the machine's: pfn "
                          + " ".join(f"{pfn:#x}" for pfn in wrong[:SHOWN]))

    def by_ours(self, file):
        """hmemdump reads it, and writes an ELF core, which is read here."""
        elf = self.made("back.elf", "-F", "elf", "-x", "zero", source=file)
        self.compare(f"our reader of {file.name}", elf_segments.contents(elf, self.runs))
        elf.unlink()

    def by_drgn(self, file):
        with open(self.folder / "drgn-pages", "w+b") as out:
            run([PYTHON, SCRIPT, file, self.places, out.name], timeout=900)
            self.compare(f"drgn of {file.name}", (out.read(count * PAGE) for _, count in self.runs))
        (self.folder / "drgn-pages").unlink()


def claim_agreement(claims, content):
    def is_whole():
        present = int(scope.report("verify", content.dump)["pages_present"])
        if present != content.pages or not content.zero_pages:
            raise Failure(f"{present} pages by verify; {content.pages} by the kdump file, of which {content.zero_pages} are zero")

    def written(words, readers, rearrange=False):
        file = content.made("written", *words)
        if rearrange:
            plain = content.folder / "rearranged"
            plain.unlink(missing_ok=True)
            with open(file, "rb") as stream:
                run(["makedumpfile", "-R", plain], stdin=stream)
            content.by_ours(file)
            file.unlink()
            file = plain
        for reader in readers:
            reader(file)
        file.unlink()

    claims.hold("kept", is_whole)
    claims.hold("captured", content.by_ours, content.dump)
    for words in HMEM:
        claims.hold("-".join(words[1::2]).replace(":", "-"), written, words, [content.by_ours])
    for words in (*KDUMP, ELF):
        claims.hold("-".join(words[1::2]), written, words, [content.by_ours, content.by_drgn])
    # No other program reads them as they are.
    for words in FLAT:
        claims.hold(words[1], written, words, [content.by_ours, content.by_drgn], True)
