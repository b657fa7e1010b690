#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./dev kernel refuses, on made trees: patches that do not fit, options that a kernel does not have."""

import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.dont_write_bytecode = True

from hmem_e2e import kernel_config, kernel_copies, kernel_series  # noqa: E402
from hmem_e2e.errors import Failure  # noqa: E402

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n"
LINES = "".join(f"line {n}\n" for n in range(1, 21))
PATCH = """From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Somebody <somebody@example.org>
Date: Thu, 1 Jan 1970 00:00:00 +0000
Subject: [PATCH] change a line, add a file

Signed-off-by: Somebody <somebody@example.org>
---
diff --git a/drivers/old.c b/drivers/old.c
--- a/drivers/old.c
+++ b/drivers/old.c
@@ -8,5 +8,5 @@
 line 8
 line 9
-line 10
+line ten
 line 11
 line 12
diff --git a/drivers/new.c b/drivers/new.c
new file mode 100644
--- /dev/null
+++ b/drivers/new.c
@@ -0,0 +1,1 @@
+new
"""


class Made(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        self.tree, self.series = self.root / "tree", self.root / "6.1"
        self.write("tree/Makefile", MAKEFILE)
        self.write("tree/drivers/old.c", LINES)
        self.write("tree/drivers/Kconfig", "config KNOWN\n\tbool \"known\"\n\tdepends on OTHER\n")
        self.write("6.1/base", "6.1.192\n")
        self.write("6.1/series", "# a comment\n\n0001-change.patch\n")
        self.write("6.1/0001-change.patch", PATCH)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
        return path

    def read(self, name):
        return (self.root / name).read_text(encoding="ascii")

    def refused(self, call, *arguments):
        with self.assertRaises(Failure) as caught:
            call(*arguments)
        return str(caught.exception)


class Series(Made):
    def test_applies_and_comes_off(self):
        kernel_series.apply(self.tree, self.series)
        self.assertIn("line ten\n", self.read("tree/drivers/old.c"))
        self.assertEqual(self.read("tree/drivers/new.c"), "new\n")
        kernel_series.restore(self.tree)
        self.assertEqual(self.read("tree/drivers/old.c"), LINES)
        self.assertFalse((self.tree / "drivers/new.c").exists())

    def test_applying_again_starts_from_the_original(self):
        kernel_series.apply(self.tree, self.series)
        self.write("6.1/0001-change.patch", PATCH.replace("line ten", "line 10 again"))
        kernel_series.apply(self.tree, self.series)
        self.assertIn("line 10 again\n", self.read("tree/drivers/old.c"))

    def test_empty_series_changes_nothing(self):
        self.write("6.1/series", "# none\n")
        kernel_series.apply(self.tree, self.series)
        self.assertEqual(self.read("tree/drivers/old.c"), LINES)

    def test_a_restored_file_is_newer_than_what_was_built_from_the_patched_one(self):
        kernel_series.apply(self.tree, self.series)
        patched = (self.tree / "drivers/old.c").stat().st_mtime_ns
        kernel_series.restore(self.tree)
        self.assertGreaterEqual((self.tree / "drivers/old.c").stat().st_mtime_ns, patched)

    def test_a_reject_names_patch_and_file(self):
        self.write("tree/drivers/old.c", LINES.replace("line 10\n", "other\n"))
        for base in ("6.1.192", "6.1.100"):
            self.write("6.1/base", base)
            text = self.refused(kernel_series.apply, self.tree, self.series)
            self.assertIn("0001-change.patch: does not apply to 6.1.192: drivers/old.c: hunk 1 at line 8", text)
            kernel_series.restore(self.tree)

    def test_fuzz_is_refused_on_the_base_release_only(self):
        changed = LINES.replace("line 8\n", "other\n")
        self.write("tree/drivers/old.c", changed)
        self.assertIn("drivers/old.c", self.refused(kernel_series.apply, self.tree, self.series))
        self.write("6.1/base", "6.1.100\n")
        kernel_series.apply(self.tree, self.series)
        self.assertIn("line ten\n", self.read("tree/drivers/old.c"))
        # What failed in between was taken off again.
        kernel_series.restore(self.tree)
        self.assertEqual(self.read("tree/drivers/old.c"), changed)

    def test_a_missing_file_is_named(self):
        (self.tree / "drivers/old.c").unlink()
        text = self.refused(kernel_series.apply, self.tree, self.series)
        self.assertIn("0001-change.patch", text)
        self.assertIn("drivers/old.c", text)

    def test_what_git_am_does_not_take_is_refused(self):
        self.write("6.1/0001-change.patch", PATCH[PATCH.index("diff --git"):])
        self.assertIn("0001-change.patch: git am: ", self.refused(kernel_series.apply, self.tree, self.series))

    def test_a_patch_that_is_not_there_is_named(self):
        self.write("6.1/series", "0002-gone.patch\n")
        self.assertIn("0002-gone.patch: no such patch", self.refused(kernel_series.patches, self.series))


class Copies(Made):
    def setUp(self):
        super().setUp()
        self.write("hmem/driver/hmem_main.c", "one\ntwo\n")
        self.patch = self.write("6.1/0001-change.patch", PATCH.replace("drivers/new.c", "drivers/char/hmem/hmem_main.c").replace(
            "new file mode 100644\n", "new file mode 100644\nindex 000000000000..3e757656cf36\n"))

    def test_a_stale_copy_is_named_and_made_anew(self):
        self.assertEqual(kernel_copies.stale(self.root, self.patch), ["drivers/char/hmem/hmem_main.c"])
        self.assertEqual(kernel_copies.refresh(self.root, self.patch), ["drivers/char/hmem/hmem_main.c"])
        self.assertEqual(kernel_copies.stale(self.root, self.patch), [])
        kernel_series.apply(self.tree, self.series)
        self.assertEqual(self.read("tree/drivers/char/hmem/hmem_main.c"), "one\ntwo\n")
        self.assertIn("line ten\n", self.read("tree/drivers/old.c"))

    def test_a_file_of_the_patch_alone_stays(self):
        (self.root / "hmem/driver/hmem_main.c").unlink()
        before = self.patch.read_text(encoding="ascii")
        self.assertEqual(kernel_copies.refresh(self.root, self.patch), [])
        self.assertEqual(self.patch.read_text(encoding="ascii"), before)


class Config(Made):
    def parse(self, text):
        return kernel_config.parse_fragment(self.write("some.config", text))

    def test_reads_values_and_reasons(self):
        options = self.parse('# about\nCONFIG_A=y  # why\nCONFIG_B="-x # y"    # why\nCONFIG_C=n # why\nCONFIG_D=0x10 # why\n')
        self.assertEqual({o.name: o.value for o in options.values()},
                         {"CONFIG_A": "y", "CONFIG_B": '"-x # y"', "CONFIG_C": "n", "CONFIG_D": "0x10"})
        self.assertEqual(kernel_config.as_text(options),
                         'CONFIG_A=y\nCONFIG_B="-x # y"\n# CONFIG_C is not set\nCONFIG_D=0x10\n')

    def test_a_line_without_a_reason_is_refused(self):
        for line in ("CONFIG_A=y", "CONFIG_A=y  #", "CONFIG_A  # why", "A=y  # why"):
            self.assertIn("some.config:2: not of the form", self.refused(self.parse, f"# about\n{line}\n"))

    def test_an_option_set_twice_is_refused(self):
        self.assertIn("some.config:2: CONFIG_A: already set in", self.refused(self.parse, "CONFIG_A=y # a\nCONFIG_A=n # b\n"))

    def test_later_fragments_win(self):
        files = [self.write("a.config", "CONFIG_A=y # a\nCONFIG_B=y # a\n"), self.write("b.config", "CONFIG_A=n # b\n")]
        self.assertEqual([o.value for o in kernel_config.merge(files).values()], ["n", "y"])

    def test_profiles_build_on_each_other_and_take_what_the_series_brings(self):
        self.write("config/profiles", "small: a b\nbig: small c\n")
        self.write("6.1/b.config", "CONFIG_X=y # new\n")
        files = kernel_config.fragments("big", self.series, self.root / "config")
        self.assertEqual([str(f.relative_to(self.root)) for f in files],
                         ["config/a.config", "config/b.config", "config/c.config", "6.1/b.config"])
        self.assertIn("no kernel profile 'huge'; there are: small big",
                      self.refused(kernel_config.fragments, "huge", self.series, self.root / "config"))

    def test_options_that_are_not_in_the_result_are_named(self):
        options = self.parse("CONFIG_KNOWN=y # why\nCONFIG_TYPING_ERROR=y # why\nCONFIG_THERE=y # why\nCONFIG_OFF=n # why\n")
        text = self.refused(kernel_config.claim_all_there, options, "CONFIG_THERE=y\n# CONFIG_OFF is not set\n", self.tree)
        self.assertRegex(text, r"some\.config:1: CONFIG_KNOWN=y: drivers/Kconfig does not let it be so")
        self.assertRegex(text, r"some\.config:2: CONFIG_TYPING_ERROR=y: no Kconfig file defines it")
        for name in ("CONFIG_THERE", "CONFIG_OFF"):
            self.assertNotIn(name, text)

    def test_off_is_off_when_it_is_known(self):
        kernel_config.claim_all_there(self.parse("CONFIG_KNOWN=n # why\n"), "", self.tree)
        for options, config in (("CONFIG_KNOWN=n # why\n", "CONFIG_KNOWN=m\n"), ("CONFIG_TYPING_ERROR=n # why\n", "")):
            self.assertIn("some.config:1: ", self.refused(kernel_config.claim_all_there, self.parse(options), config, self.tree))

    def test_another_value_is_not_the_asked_for_one(self):
        options = self.parse("CONFIG_KNOWN=16 # why\n")
        self.assertIn("CONFIG_KNOWN=16", self.refused(kernel_config.claim_all_there, options, "CONFIG_KNOWN=17\n", self.tree))


if __name__ == "__main__":
    unittest.main()
