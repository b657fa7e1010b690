#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump-arm where its output does not arrive.

Usage: output_test.py KDUMP-ARM
"""

import subprocess
import sys
import unittest

PROGRAM = None


class Output(unittest.TestCase):
    def test_an_answer_that_does_not_arrive_is_a_failure(self):
        for words in (["--help"], ["--version"], ["check", "--json"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("kdump-arm: standard output: cannot be written", done.stderr)

    def test_what_stderr_does_not_take_ends_nothing(self):
        for words, wanted in ((["--nonsense"], 2), (["--config", "/nonexistent", "check"], 1)):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([PROGRAM, *words], stdout=subprocess.PIPE, stderr=full, check=False)
            self.assertEqual(done.returncode, wanted, words)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
