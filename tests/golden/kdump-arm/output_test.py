#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump-arm where its output does not arrive.

Usage: output_test.py KDUMP-ARM
"""

import json
import os
import subprocess
import sys
import unittest

PROGRAM = None
NOBODY = 65534


class Output(unittest.TestCase):
    def test_an_answer_that_does_not_arrive_is_a_failure(self):
        for words in (["--help"], ["--version"], ["check", "--json"], ["estimate"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("kdump-arm: standard output: cannot be written", done.stderr)

    def test_what_stderr_does_not_take_ends_nothing(self):
        for words, wanted in ((["--nonsense"], 2), (["--config", "/nonexistent", "check"], 1)):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([PROGRAM, *words], stdout=subprocess.PIPE, stderr=full, check=False)
            self.assertEqual(done.returncode, wanted, words)


class Estimate(unittest.TestCase):
    """On whatever machine this is."""

    def ask(self, *words, user=None):
        # Opened here: another user may not find the way to it.
        with open(PROGRAM, "rb") as program:
            return subprocess.run([f"/proc/self/fd/{program.fileno()}", "estimate", *words], capture_output=True, text=True,
                                  check=False, pass_fds=[program.fileno()], user=user)

    def claim_answer(self, done):
        self.assertIn(done.returncode, (0, 3), done.stderr)
        self.assertEqual(done.stderr, "")
        self.assertRegex(done.stdout, r"^crashkernel=\d+M for the capture kernel ")
        self.assertRegex(done.stdout, r"(?m)^reserved now: ")
        self.assertEqual(done.returncode == 3, "\nnot known: " in done.stdout)

    def test_answers_whatever_the_machine(self):
        self.claim_answer(self.ask())

    def test_answers_an_ordinary_user(self):
        if os.geteuid() != 0:
            self.skipTest("an ordinary user runs all of this")
        self.claim_answer(self.ask(user=NOBODY))

    def test_json_says_what_the_text_says(self):
        found = json.loads(self.ask("--json").stdout)
        self.assertIn(f"crashkernel={found['advised_bytes'] >> 20}M ", self.ask().stdout)
        self.assertEqual(sum(part["bytes"] for part in found["parts"]), found["advised_bytes"])

    def test_a_configuration_that_is_not_there_is_a_failure(self):
        done = self.ask("--config", "/nonexistent")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^kdump-arm: /nonexistent: .*\n$")

    def test_an_unknown_word_is_named(self):
        done = self.ask("--jsn")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--jsn", done.stderr)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
