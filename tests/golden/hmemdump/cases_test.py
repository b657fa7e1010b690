#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hmemdump as its user meets it: exit codes, the one line it says, what is left on the target.

Usage: cases_test.py HMEMDUMP
"""

import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None
PAGE = 4096
OTHER_FORMATS = ("kdump", "elf", "flat", "flat-elf")
VMCOREINFO = b"OSRELEASE=6.1.0-made\nPAGESIZE=4096\nCRASHTIME=1700000000\nKERNELOFFSET=0\n"


def note(name, kind, desc):
    def padded(raw):
        return raw + bytes(-len(raw) % 4)

    return struct.pack("<III", len(name) + 1, len(desc), kind) + padded(name + b"\0") + padded(desc)


def elf_core(pages):
    """An ELF64 core with one PT_LOAD of these pages at 1 MiB."""
    notes = note(b"VMCOREINFO", 0, VMCOREINFO)
    head = 64 + 2 * 56
    data = (head + len(notes) + PAGE - 1) // PAGE * PAGE
    size = len(pages) * PAGE
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = ident + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 4, 0, head, 0, 0, len(notes), len(notes), 4)
    elf += struct.pack("<IIQQQQQQ", 1, 7, data, 0xFFFF888000100000, 0x100000, size, size, 0)
    return (elf + notes).ljust(data, b"\0") + b"".join(pages)


def live_core(pages):
    """What /proc/kcore is like: text and direct mapping have physical addresses and overlap, vmalloc and vmemmap have none."""
    notes = note(b"VMCOREINFO", 0, VMCOREINFO.replace(b"CRASHTIME=1700000000\n", b""))
    head = 64 + 5 * 56
    data = (head + len(notes) + PAGE - 1) // PAGE * PAGE
    size = len(pages) * PAGE
    none = 0xFFFFFFFFFFFFFFFF
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 5, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 4, 0, head, 0, 0, len(notes), len(notes), 4)
    for virt, phys, pages_at, length in (
        (0xFFFFFFFF81000000, 0x110000, 16, 64 * PAGE),
        (0xFFFFC90000000000, none, 0, 8 * PAGE),
        (0xFFFFEA0000000000, none, 0, 8 * PAGE),
        (0xFFFF888000100000, 0x100000, 0, size),
    ):
        elf += struct.pack("<IIQQQQQQ", 1, 7, data + pages_at * PAGE, virt, phys, length, length, PAGE)
    return (elf + notes).ljust(data, b"\0") + b"".join(pages)


def losses(result):
    return [f["id"] for f in result["findings"] if f["severity"] != "info"]


def some_pages():
    return [bytes(PAGE) if n % 3 == 0 else (f"page {n} ".encode() * PAGE)[:PAGE] for n in range(600)]


class Hmemdump(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)
        self.core = self.here / "core.elf"
        self.core.write_bytes(elf_core(some_pages()))
        self.out = self.here / "out"
        self.out.mkdir()

    def run_it(self, *words, code, stdout=subprocess.PIPE):
        done = subprocess.run([PROGRAM, *map(str, words)], stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)
        said = done.stderr.decode()
        self.assertEqual(done.returncode, code, said)
        return done.stdout, said

    def refused(self, *words, code, saying):
        _, said = self.run_it(*words, code=code)
        self.assertIn(saying, said)
        self.assertEqual(len(said.strip().splitlines()), 1, said)

    def test_directory_gets_record_and_dump(self):
        out, _ = self.run_it("--json", "--verify", self.core, self.out, code=3)
        result = json.loads(out)
        self.assertEqual(result["state"], "complete")
        self.assertEqual(result["pages"], 600)
        self.assertEqual(result["pages_zero"], 200)
        self.assertEqual(sorted(p.name for p in self.out.iterdir()), ["dump.hmem", "first-failure.pb"])

    def test_elf_comes_back_byte_for_byte(self):
        self.run_it(self.core, self.here / "a.hmem", code=3)
        # What the record of the made machine lacks is the record's affair: every page is there.
        self.run_it("-F", "elf", self.here / "a.hmem", self.here / "b.elf", code=0)
        self.assertTrue((self.here / "b.elf").read_bytes().endswith(b"".join(some_pages())))

    def test_a_complete_dump_is_copied_without_losses(self):
        self.run_it(self.core, self.here / "a.hmem", code=3)
        (self.here / "first-failure.pb").unlink()
        out, _ = self.run_it("--json", "--verify", self.here / "a.hmem", self.out, code=0)
        result = json.loads(out)
        self.assertEqual((result["state"], losses(result)), ("complete", []))
        self.assertEqual(sorted(p.name for p in self.out.iterdir()), ["dump.hmem", "first-failure.pb"])

    def test_what_a_dump_lacks_is_told_by_each_that_is_made_of_it(self):
        cut = self.here / "cut.elf"
        cut.write_bytes(self.core.read_bytes()[: -100 * PAGE])
        out, _ = self.run_it("--json", cut, self.here / "a.hmem", code=3)
        result = json.loads(out)
        self.assertEqual((result["state"], result["pages_not_reached"]), ("source-cut", 100))
        _, said = self.run_it("--no-record", self.here / "a.hmem", self.here / "again.hmem", code=3)
        self.assertIn("again.hmem: the source is cut: 500 of 600 pages", said)
        _, said = self.run_it("-F", "elf", self.here / "a.hmem", self.here / "b.elf", code=3)
        self.assertIn("100 pages that the source does not have", said)

    def test_a_dump_of_version_1_stays_readable(self):
        old = pathlib.Path(__file__).parent.parent / "hmem" / "version1.hmem"
        self.run_it("-F", "elf", old, self.here / "old.elf", code=3)
        self.assertTrue((self.here / "old.elf").read_bytes().endswith(b"".join(some_pages()[:24])))

    def test_nothing_is_overwritten(self):
        there = self.here / "there.hmem"
        there.write_bytes(b"mine")
        self.refused(self.core, there, code=1, saying="there.hmem: not overwritten: File exists")
        self.assertEqual(there.read_bytes(), b"mine")

    def test_the_result_tells_what_was_read(self):
        out, said = self.run_it("--json", "--stats", self.core, self.out, code=3)
        self.assertEqual(json.loads(out)["source"], {"path": str(self.core), "format": "elf", "access": ""})
        self.assertIn(f"hmemdump: source: {self.core} (elf)\n", said)

    def test_words_that_are_missing_are_named(self):
        self.refused(code=2, saying="DEST is missing: the file, directory or device to write to; see hmemdump --help")
        self.refused("-j", "2", code=2, saying="DEST is missing")
        self.refused("--log-only", self.core, self.out, code=2, saying="--log-only takes SOURCE and no DEST")

    def test_without_source_it_says_where_it_looked(self):
        if pathlib.Path("/dev/hmem").exists() or pathlib.Path("/proc/vmcore").exists():
            self.skipTest("a capture kernel")
        for words in ([self.out], ["--log-only"]):
            self.refused(*words, code=1, saying="none of /dev/hmem, /proc/vmcore is here")

    def test_stream_is_the_dump(self):
        out, _ = self.run_it(self.core, "-", code=3)
        self.assertEqual(out[:4], b"\x89HMF")

    def test_size_limit_ends_it_cleanly(self):
        out, _ = self.run_it("--json", "-c", "none", "--max-bytes", "1M", self.core, self.out, code=3)
        self.assertEqual(json.loads(out)["state"], "max-bytes")
        self.assertLessEqual((self.out / "dump.hmem").stat().st_size, 1 << 20)

    def test_size_limit_below_the_first_chunk_leaves_no_dump(self):
        self.refused("--max-bytes", "1K", self.core, self.out, code=1, saying="the limit of 1024 bytes is reached")
        self.assertEqual([p.name for p in self.out.iterdir()], ["first-failure.pb"])

    def test_time_limit_ends_it_cleanly(self):
        out, _ = self.run_it("--json", "--deadline", "0.000001", self.core, self.out, code=3)
        result = json.loads(out)
        self.assertEqual(result["state"], "deadline")
        self.assertEqual(result["pages_not_reached"], 600)
        _, said = self.run_it("-F", "elf", self.out / "dump.hmem", self.here / "late.elf", code=3)
        self.assertIn("time limit", said)

    def test_time_limit_leaves_what_is_there_of_every_format(self):
        for form in OTHER_FORMATS:
            out, _ = self.run_it("--json", "--no-record", "-F", form, "--deadline", "0.000001", self.core, self.here / form, code=3)
            result = json.loads(out)
            self.assertEqual((result["state"], result["pages_not_reached"]), ("deadline", 600), form)
            out, _ = self.run_it("--json", "--no-record", self.here / form, self.here / f"{form}.hmem", code=3)
            self.assertEqual(json.loads(out)["state"], "source-cut", form)

    def test_every_format_and_codec_comes_back(self):
        codecs = {"kdump": ("lzo", "zlib", "zlib:9", "snappy", "zstd", "zstd:5", "none"), "flat": ("lzo", "zstd"), "elf": ("none",),
                  "flat-elf": ("none",)}
        for form, names in codecs.items():
            for codec in names:
                made, again = self.here / f"{form}-{codec}", self.here / f"{form}-{codec}.elf"
                out, _ = self.run_it("--json", "--verify", "--no-record", "-F", form, "-c", codec, self.core, made, code=3)
                result = json.loads(out)
                self.assertEqual((result["state"], result["pages_kept"], result["pages_zero"]), ("complete", 400, 200))
                if form != "elf":  # whose last pages may be holes
                    self.assertEqual(result["bytes"], made.stat().st_size)
                self.run_it("--no-record", "-F", "elf", made, again, code=3)
                self.assertTrue(again.read_bytes().endswith(b"".join(some_pages())), f"{form} {codec}")

    def test_formats_have_usual_names_and_codecs(self):
        for form in OTHER_FORMATS:
            folder = self.here / form
            folder.mkdir()
            self.run_it("-F", form, self.core, folder, code=3)
            self.assertEqual(sorted(p.name for p in folder.iterdir()), sorted((f"dump.{form}", "first-failure.pb")))
            made = (folder / f"dump.{form}").read_bytes()
            if form == "kdump":
                self.assertEqual(made[:8], b"KDUMP   ")
                self.assertEqual(struct.unpack_from("<I", made, 424), (2,))
            elif form.startswith("flat"):
                self.assertEqual(made[:12], b"makedumpfile")
        for words, saying in (
            (("-F", "vmdk"), 'format "vmdk": not one of hmem, kdump, elf, flat, flat-elf'),
            (("-F", "kdump", "-c", "lz4"), 'codec "lz4": not one of lzo, zlib, snappy, zstd, none, which kdump has'),
            (("-F", "elf", "-c", "lzo"), 'codec "lzo": not one of none, which elf has'),
            (("-F", "kdump", "-c", "zlib:10"), "level 10: not from 1 to 9"),
            (("-F", "kdump", "-c", "lzo:1"), "lzo has no levels"),
            (("-F", "flat-elf", "-c", "lzo"), 'codec "lzo": not one of none, which flat-elf has'),
            (("-F", "kdump", "--first-failure-only"), "has no --format"),
        ):
            self.refused(*words, self.core, self.out, code=2, saying=saying)

    def test_a_kdump_on_a_pipe_is_flattened(self):
        made, _ = self.run_it("-F", "kdump", self.core, "-", code=3)
        self.assertEqual(made[:12], b"makedumpfile")
        flat = self.here / "stream"
        flat.write_bytes(made)
        self.run_it("-F", "elf", "--no-record", flat, self.here / "back.elf", code=3)
        self.assertTrue((self.here / "back.elf").read_bytes().endswith(b"".join(some_pages())))
        made, _ = self.run_it("-F", "elf", self.core, "-", code=3)
        self.assertTrue(made.endswith(b"".join(some_pages())))

    def test_size_limit_ends_the_other_formats_too(self):
        for form in OTHER_FORMATS:
            made = self.here / form
            out, _ = self.run_it("--json", "-c", "none", "-F", form, "--max-bytes", "1M", "--no-record", self.core, made, code=3)
            result = json.loads(out)
            self.assertEqual(result["state"], "max-bytes")
            self.assertNotIn("elf.zeros-for-missing", losses(result), "the source lacks nothing")
            self.assertGreater(result["pages_kept"], 50)
            self.assertLessEqual(made.stat().st_size, 1 << 20)
            again, _ = self.run_it("--json", "--no-record", made, self.here / f"{form}.hmem", code=3)
            # The runs of an ELF core's last batch that had room are in it and are not counted.
            there = json.loads(again)["pages_kept"]
            self.assertIn(there - result["pages_kept"], range(256) if form.endswith("elf") else (0,), form)
        made, said = self.run_it("-F", "kdump", "-c", "none", "--max-bytes", "1M", self.core, "-", code=3)
        self.assertLessEqual(len(made), 1 << 20)
        self.assertIn("size limit reached", said)
        for form in OTHER_FORMATS:
            self.refused("-F", form, "--max-bytes", "1K", "--no-record", self.core, self.here / f"no-{form}", code=1,
                         saying="the limit of 1024 bytes is reached")

    def test_dry_runs_of_the_other_formats_write_nothing(self):
        for form in OTHER_FORMATS:
            out, _ = self.run_it("--json", "--dry-run", "-F", form, self.core, self.out, code=3)
            result = json.loads(out)
            self.assertEqual((result["state"], result["pages_kept"]), ("complete", 400))
            self.assertGreater(result["bytes"], 40000)
            self.assertEqual(list(self.out.iterdir()), [])

    def test_identity_is_in_the_record(self):
        identity = self.here / "identity"
        identity.write_text("host_id=0123456789abcdef0123456789abcdef\narm_id=armed-here\nlabel.rack=r12\n")
        self.run_it("--first-failure-only", "--identity", identity, self.core, self.out, code=3)
        record = (self.out / "first-failure.pb").read_bytes()
        for text in (b"0123456789abcdef0123456789abcdef", b"armed-here", b"rack", b"r12"):
            self.assertIn(text, record)
        # The dump that follows takes this record along.
        self.run_it(self.core, self.out, code=0)
        self.assertIn(record, (self.out / "dump.hmem").read_bytes())

    def test_a_missing_identity_costs_the_identity_only(self):
        _, said = self.run_it("--first-failure-only", "--identity", self.here / "none", self.core, self.out, code=3)
        self.assertIn("record.no-identity", said)
        self.assertEqual([p.name for p in self.out.iterdir()], ["first-failure.pb"])

    def test_a_target_that_takes_nothing_is_one_line(self):
        # Not even root makes files there.
        for words, place in ((["/sys"], "/sys/dump.hmem"), (["/sys/a.hmem"], "/sys/a.hmem"), (["-F", "elf", "/sys/a"], "/sys/a")):
            self.refused(self.core, *words, code=1, saying=f"hmemdump: {place}.incomplete: ")
        self.refused("--first-failure-only", self.core, "/sys", code=1, saying="/sys/first-failure.pb")

    def test_small_and_read_only_file_systems(self):
        def on_tmpfs(size, *words):
            steps = (
                f"mount -t tmpfs -o size={size} none {self.out} || exit 77; "
                f'"$@"; code=$?; ls {self.out}; mount -o remount,ro {self.out}; "$@" >&2; exit $code'
            )
            done = subprocess.run(
                ["unshare", "-rm", "sh", "-c", steps, "sh", PROGRAM, *map(str, words)],
                capture_output=True, timeout=60, check=False,
            )
            if done.returncode == 77 or b"unshare" in done.stderr:
                self.skipTest("no user namespaces here")
            full, read_only = done.stderr.decode().splitlines()[:-1], done.stderr.decode().splitlines()[-1]
            return done.returncode, done.stdout.decode().split(), full, read_only

        code, left, full, read_only = on_tmpfs("4k", "-c", "none", self.core, self.out)
        self.assertEqual((code, left), (1, ["first-failure.pb"]))
        self.assertEqual(len(full), 1)
        self.assertIn(f"a record in {self.out}/first-failure.pb", full[0])
        self.assertIn("dump.hmem.incomplete: No space left on device", full[0])
        self.assertEqual(read_only, f"hmemdump: {self.out}/dump.hmem.incomplete: Read-only file system")
        _, _, _, read_only = on_tmpfs("4k", "--dry-run", "--record", self.core, self.core, self.out)
        self.assertEqual(read_only, f"hmemdump: {self.out}: Read-only file system")
        for form in ("hmem", *OTHER_FORMATS):
            code, left, full, _ = on_tmpfs("1m", "-F", form, "-c", "none", self.core, self.out)
            self.assertEqual((code, left), (3, sorted((f"dump.{form}", "first-failure.pb"))))
            self.assertIn("target full", full[-1])

    def test_explain_names_the_page_and_what_becomes_of_it(self):
        told, _ = self.run_it("--explain", "0x101", self.core, code=0)
        self.assertEqual(told.decode(), "pfn 0x101, phys 0x101000: unknown\n  pages of this dump cannot be told apart\n  kept\n")
        told, _ = self.run_it("--explain", "257", "--json", self.core, code=0)
        self.assertEqual(json.loads(told)["class"], "unknown")
        self.refused("--explain", "1", self.core, code=1, saying="pfn 0x1: no RAM")
        self.refused("--explain", "page", self.core, code=2, saying='--explain: "page" is not a number')
        self.refused("--explain", "0x101", self.core, self.out, code=2, saying="--explain takes SOURCE and no DEST")

    def test_keep_takes_one_word_and_leaves_the_files_alone(self):
        self.run_it("--keep", "range:0x100000-0x101000", "--keep", "range:0-1", self.core, self.out, code=3)
        self.assertTrue((self.out / "dump.hmem").exists())

    def test_what_cannot_be_classified_is_kept_and_told(self):
        printed, _ = self.run_it("-x", "31", "--no-record", "--json", self.core, self.out, code=3)
        result = json.loads(printed)
        self.assertEqual(result["state"], "complete")
        self.assertEqual((result["pages_kept"], result["pages_zero"]), (400, 200))
        self.assertIn("classify.none", losses(result))

    def test_without_a_record_the_dump_is_made_and_read(self):
        out, said = self.run_it("--json", "--no-record", self.core, self.out, code=3)
        result = json.loads(out)
        self.assertEqual((result["state"], losses(result)), ("complete", ["record.none"]))
        self.assertIn("record.none", said)
        self.assertEqual([p.name for p in self.out.iterdir()], ["dump.hmem"])
        self.run_it("-F", "elf", "--no-record", self.out / "dump.hmem", self.here / "b.elf", code=3)
        self.assertTrue((self.here / "b.elf").read_bytes().endswith(b"".join(some_pages())))
        # The record can be made of it later.
        self.run_it("--first-failure-only", self.out / "dump.hmem", self.here / "later.pb", code=3)
        self.assertIn(b"6.1.0-made", (self.here / "later.pb").read_bytes())

    def test_a_record_that_is_there_is_taken_along(self):
        self.run_it("--first-failure-only", self.core, self.out, code=3)
        record = (self.out / "first-failure.pb").read_bytes()
        self.run_it("--no-record", self.core, self.out, code=0)
        self.assertIn(record, (self.out / "dump.hmem").read_bytes())
        self.run_it("--no-record", self.out / "dump.hmem", self.here / "copy.hmem", code=0)
        self.assertIn(record, (self.here / "copy.hmem").read_bytes())

    def test_a_lost_standard_error_harms_nothing(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, self.core, self.out], stdout=full, stderr=full, timeout=60, check=False)
            self.assertEqual(done.returncode, 3)
            done = subprocess.run([PROGRAM, "--nonsense"], stdout=full, stderr=full, timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
        self.assertEqual(sorted(p.name for p in self.out.iterdir()), ["dump.hmem", "first-failure.pb"])

    def test_lost_json_is_a_failure_with_the_dump_complete(self):
        with open("/dev/full", "wb") as full:
            _, said = self.run_it("--json", self.core, self.out, code=1, stdout=full)
            self.assertIn("hmemdump: standard output: write: No space left on device", said)
            self.run_it("--help", code=1, stdout=full)
        self.assertTrue((self.out / "dump.hmem").exists())

    def test_closed_descriptors_keep_talk_out_of_the_dump(self):
        for redirection, code in (("2>&-", 3), (">&-", 1), ("<&- >&- 2>&-", 1)):
            target = self.here / f"closed{len(redirection)}.hmem"
            (self.here / "first-failure.pb").unlink(missing_ok=True)
            shell = f'"$@" {redirection}'
            words = ["sh", "-c", shell, "sh", PROGRAM, "--json", str(self.core), str(target)]
            done = subprocess.run(words, capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, code, redirection)
            self.assertNotIn(b"hmemdump: ", target.read_bytes())
            self.assertNotIn(b'"state"', target.read_bytes())
            self.run_it("-F", "elf", target, f"{target}.elf", code=0)

    def test_a_reader_that_goes_away_is_a_failure(self):
        with subprocess.Popen([PROGRAM, "-c", "none", self.core, "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
            self.assertEqual(len(dump.stdout.read(20000)), 20000)
            dump.stdout.close()
            said = dump.stderr.read().decode()
            self.assertEqual(dump.wait(timeout=60), 1, said)
        self.assertIn("Broken pipe", said.splitlines()[-1])

    def test_a_target_that_fails_in_the_middle_is_a_failure_or_full(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        words = [PROGRAM, "--json", "-c", "none", self.core, self.out]
        done = subprocess.run(words, preexec_fn=limited, capture_output=True, timeout=60, check=False)
        result, said = json.loads(done.stdout), done.stderr.decode()
        self.assertEqual(result["exit_code"], done.returncode, said)
        # Some file systems hear of the limit when room is asked for, others when it is written to.
        if result["state"] == "no-space":
            self.assertEqual((done.returncode, result["path"]), (3, f"{self.out}/dump.hmem"))
        else:
            self.assertEqual((done.returncode, result["state"]), (1, "write-error"))
            self.assertEqual(result["path"], f"{self.out}/dump.hmem.incomplete")
        _, said = self.run_it("-F", "elf", result["path"], self.here / "part.elf", code=3)
        self.assertIn("pages that the source does not have", said)

    def test_sigterm_ends_it_cleanly(self):
        # With one batch, less than the core's pages are in hand at any time.
        words = [PROGRAM, "-c", "none", "-j", "0", self.core, "-"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
            # It now waits for someone to take its first MiB.
            part = dump.stdout.read(20000)
            dump.send_signal(signal.SIGTERM)
            part += dump.stdout.read()
            said = dump.stderr.read().decode()
            self.assertEqual(dump.wait(timeout=60), 3, said)
        self.assertIn("time limit reached", said.splitlines()[-1])
        late = self.here / "late.hmem"
        late.write_bytes(part)
        _, said = self.run_it("--no-record", late, self.here / "again.hmem", code=3)
        self.assertIn("the time limit was reached", said)

    def test_a_dry_run_refuses_what_a_run_would(self):
        out, _ = self.run_it("--dry-run", "--json", self.core, self.out, code=3)
        result = json.loads(out)
        self.assertEqual((result["dry_run"], result["state"], result["pages_kept"]), (True, "complete", 400))
        self.assertEqual(list(self.out.iterdir()), [])
        for name in ("dump.hmem", "dump.hmem.incomplete"):
            (self.out / name).write_bytes(b"mine")
            self.refused("--dry-run", self.core, self.out, code=1, saying=f"{name}: not overwritten")
            (self.out / name).unlink()
        (self.out / "first-failure.pb").write_bytes(b"mine")
        record = ("--dry-run", "--first-failure-only", self.core, self.out)
        self.refused(*record, code=1, saying="first-failure.pb: not overwritten")
        (self.out / "first-failure.pb").rename(self.out / "first-failure.pb.incomplete")
        self.run_it(*record, code=3)

    def test_a_dry_run_of_a_source_alone_says_what_a_dump_would_hold(self):
        live = self.here / "kcore"
        live.write_bytes(live_core(some_pages()))
        there = sorted(self.here.iterdir())
        out, _ = self.run_it("--dry-run", "--json", live, code=0)
        result = json.loads(out)
        self.assertEqual((result["state"], result["dry_run"], result["path"]), ("complete", True, ""))
        self.assertEqual((result["pages"], result["pages_kept"], result["pages_zero"]), (600, 400, 200))
        self.assertGreater(result["bytes"], 10000)
        self.assertEqual(losses(result), [])
        self.assertIn("source.elf.segment-without-phys", [f["id"] for f in result["findings"]])
        _, said = self.run_it("--dry-run", live, code=0)
        self.assertIn("class unknown: 600 pages read (2.3 MiB), 0 left out (0.0 MiB)\n", said)
        self.assertIn("dry run: complete: 600 of 600 pages in ", said)
        for form in OTHER_FORMATS:
            out, _ = self.run_it("--dry-run", "--json", "-F", form, live, code=0)
            self.assertEqual(json.loads(out)["pages_kept"], 400)
        self.assertEqual(sorted(self.here.iterdir()), there)

    def test_a_live_kernel_that_lost_its_pages_is_findings(self):
        live = self.here / "kcore"
        for cut in (100, 599):
            live.write_bytes(live_core(some_pages())[: -cut * PAGE])
            out, _ = self.run_it("--dry-run", "--json", live, code=3)
            result = json.loads(out)
            self.assertEqual((result["state"], result["pages_not_reached"]), ("source-cut", cut))
        live.write_bytes(live_core(some_pages()).replace(b"OSRELEASE=6.1.0-made", b"\xff" * 20))
        self.run_it("--dry-run", live, code=0)

    def test_the_report_is_what_json_prints(self):
        report = self.here / "report.json"
        out, _ = self.run_it("--json", "--report", report, self.core, self.out, code=3)
        printed, written = json.loads(out), json.loads(report.read_text())
        for result in (printed, written):  # which goes on growing
            self.assertGreater(result["memory"].pop("peak_resident_bytes"), 1 << 20)
        self.assertEqual(printed, written)
        self.assertEqual(list(self.here.glob("*.incomplete")), [])
        self.assertEqual(set(written["seconds_by_stage"]), {"record", "walk", "scan", "read", "pack", "write", "sync"})
        self.assertTrue(all(seconds >= 0 for seconds in written["seconds_by_stage"].values()))
        self.assertGreater(written["seconds_by_stage"]["pack"], 0)
        self.assertEqual([tier["tier"] for tier in written["tiers"]], [0])
        self.assertEqual((written["tiers"][0]["pages_kept"], written["tiers"][0]["pages_zero"]), (400, 200))
        self.assertLess(written["tiers"][0]["bytes"], written["bytes"])
        self.assertEqual(written["classes"], {"unknown": {"pages_read": 600, "pages_left_out": 0}})
        self.assertEqual(written["memory"]["workers"], 1 if os.cpu_count() > 1 else 0)
        self.assertGreater(written["memory"]["batch_bytes"], 2 << 20)
        self.assertLessEqual(written["memory"]["locked_bytes"], written["memory"]["batch_bytes"])

    def test_a_report_that_cannot_be_made_is_told_before_the_dump_begins(self):
        self.refused("--report", self.here / "no" / "r.json", self.core, self.out, code=2, saying="--report: ")
        there = self.here / "there.json"
        there.write_text("mine")
        self.refused("--report", there, self.core, self.out, code=2, saying="there.json: not overwritten")
        self.refused("--report", self.here / "r.json", "--log-only", self.core, code=2, saying="--report: only of")
        self.assertEqual((there.read_text(), list(self.out.iterdir())), ("mine", []))
        # A dump that fails leaves no report, and one of the same name is not written over.
        self.refused("--report", self.here / "r.json", self.here / "none", self.out, code=1, saying="No such file")
        self.refused("--report", self.here / "a.hmem", "--no-record", self.core, self.here / "a.hmem", code=1, saying="File exists")
        self.assertEqual([p.name for p in self.here.iterdir() if p.name not in ("core.elf", "out", "there.json")], [])

    def test_a_memory_limit_takes_workers_and_then_compression(self):
        for limit, workers, codec in (("1G", 4, "lz4"), ("1K", 0, "none")):
            made = self.here / limit
            words = ("--json", "--no-record", "-j", "4", "--memory-limit", limit, self.core, made)
            out, said = self.run_it(*words, code=3)
            result = json.loads(out)
            self.assertEqual((result["memory"]["workers"], result["pages_kept"]), (workers, 400))
            self.assertEqual(made.stat().st_size > 400 * PAGE, codec == "none")
            for text in ("room for 0 of 4 workers", "no room for packing", "more than the memory limit of 1 KiB: made all the same"):
                self.assertEqual(text in said, codec == "none", said)
            self.run_it("-F", "elf", "--no-record", made, self.here / f"{limit}.elf", code=3)
            self.assertTrue((self.here / f"{limit}.elf").read_bytes().endswith(b"".join(some_pages())))
        self.refused("--memory-limit", "many", self.core, self.out, code=2, saying='--memory-limit: "many" is not a size')

    def test_in_little_memory_it_makes_a_whole_dump(self):
        def limited(kind, limit, *words):
            def lower():
                resource.setrlimit(kind, (limit, limit))

            return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, timeout=60, check=False, preexec_fn=lower)

        wholes = {}
        for name, kind, limits in (
            ("memlock", resource.RLIMIT_MEMLOCK, (0, 64 << 10)),
            ("data", resource.RLIMIT_DATA, (12 << 20, 24 << 20, 48 << 20)),
            ("as", resource.RLIMIT_AS, (64 << 20, 96 << 20)),
        ):
            for limit in limits:
                if limited(kind, limit, "--version").returncode != 0:
                    continue  # a sanitiser maps terabytes
                made = self.here / f"{name}-{limit}"
                done = limited(kind, limit, "--json", "--no-record", "-j", "16", "-c", "zstd", self.core, made)
                said = done.stderr.decode()
                self.assertEqual(done.returncode, 3, said)
                result = json.loads(done.stdout)
                self.assertEqual((result["state"], result["pages_kept"]), ("complete", 400))
                wholes[(name, limit)] = result["memory"]["workers"]
                self.run_it("-F", "elf", "--no-record", made, self.here / "back.elf", code=3)
                self.assertTrue((self.here / "back.elf").read_bytes().endswith(b"".join(some_pages())))
                (self.here / "back.elf").unlink()
        self.assertIn(("memlock", 0), wholes)
        for name, limit in wholes:
            if name == "data":
                self.assertIn(wholes[(name, limit)], range(1, 16), limit)

    def test_full_device_is_an_error_in_one_place(self):
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                _, said = self.run_it(self.core, "-", code=1, stdout=full)
            self.assertIn("No space left on device", said)

    def test_refusals(self):
        self.refused(code=2, saying="see hmemdump --help")
        self.refused("-x", "cache,frei", self.core, self.out, code=2, saying='--exclude: "frei": not a level')
        self.refused("-x", "32", self.core, self.out, code=2, saying="level 32: not from 0 to 31")
        self.refused("--keep", "nginx", self.core, self.out, code=2, saying='--keep: "nginx": neither task:PID')
        self.refused("-c", "lzo", self.core, self.out, code=2, saying='codec "lzo"')
        self.refused("--order", "size", self.core, self.out, code=2, saying='"size": neither value nor address')
        self.refused("--jobs", "65", self.core, self.out, code=2, saying="--jobs: 65: not from 0 to 64")
        self.refused("--no-record", "--first-failure-only", self.core, self.out, code=2, saying="--no-record")
        self.refused("--max-bytes", "12Q", self.core, self.out, code=2, saying="not a size")
        self.refused(self.here / "none", self.out, code=1, saying="No such file or directory")
        self.refused(self.core, self.here / "no" / "where", code=1, saying="No such file or directory")

    def test_bad_sources(self):
        short = self.core.read_bytes()[:40]
        for name, content in (("empty", b""), ("random", os.urandom(5000)), ("cut", short), ("cut.hmem", b"\x89HMF" + bytes(20))):
            path = self.here / name
            path.write_bytes(content)
            self.refused(path, self.out, code=1, saying=f"hmemdump: {path}: ")
        self.refused(self.here / "none", self.out, code=1, saying="none: No such file or directory")
        self.refused(self.here, self.out, code=1, saying=f"{self.here}: a directory, not a dump")
        if os.geteuid() != 0:
            self.core.chmod(0)
            self.refused(self.core, self.out, code=1, saying="core.elf: Permission denied")
        self.assertEqual(list(self.out.iterdir()), [])

    def test_an_unknown_architecture_is_dumped_and_named(self):
        core = bytearray(self.core.read_bytes())
        core[18:20] = struct.pack("<H", 8)
        self.core.write_bytes(core)
        _, said = self.run_it(self.core, self.out, code=3)
        self.assertIn("ELF machine 8, 64-bit, little-endian: not an architecture of this build", said.splitlines()[0])
        self.assertEqual(len(said.splitlines()), 3, said)  # that, the record, the dump
        out, _ = self.run_it("--json", "-F", "elf", self.out / "dump.hmem", self.here / "back.elf", code=0)
        self.assertEqual(json.loads(out)["pages_kept"], 400)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
