# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m hmem_e2e test|demo|bench, as ./dev calls it."""
import argparse
import pathlib
import sys

from . import demo, runner, timings


def main():
    parser = argparse.ArgumentParser(prog="hmem_e2e")
    verbs = parser.add_subparsers(dest="verb", required=True)
    test = verbs.add_parser("test", help="run the cases")
    test.add_argument("--summary", type=pathlib.Path, help="file for \"passed failed skipped\"")
    test.add_argument("name", nargs="*", help="run only cases whose name contains this")
    verbs.add_parser("list", help="names of the cases")
    verbs.add_parser("demo", help="one crash, explained")
    verbs.add_parser("bench", help="timings of a crash, and of the runs there are")
    options = parser.parse_args()
    if options.verb == "test":
        total = runner.run_cases(options.name, options.summary)
        return 1 if total["FAIL"] else 0
    if options.verb == "list":
        print("\n".join(case.name for case in runner.find_cases()))
        return 0
    return demo.run() if options.verb == "demo" else timings.run()


if __name__ == "__main__":
    sys.exit(main())
