# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m hmem_e2e fetch|kernel|test|demo|bench, as ./dev calls it."""
import argparse
import pathlib
import sys

from . import demo, device_speed, images, kernel_config, kernels, own_kernels, runner, timings
from .cases import matrix
from .errors import Failure


def fetch(series, debug):
    """Into the cache, while others build: kernels, what guests of them start from, debug symbols."""
    try:
        for one in series:
            images.prepare(kernels.kernel(one))
        if debug:
            kernels.kernel(matrix.DRGN_PLAN.series).debug_vmlinux()
    except Failure as error:
        print(f"fetch: {error}", file=sys.stderr)
        return 1
    return 0


def build_kernels(series, profiles):
    """Into the cache, and says where they are."""
    try:
        for profile in profiles or kernel_config.profile_names():
            built = own_kernels.kernel(series, profile)
            print(f"{built.release:24} {built.root}", flush=True)
    except Failure as error:
        print(f"kernel: {error}", file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(prog="hmem_e2e")
    verbs = parser.add_subparsers(dest="verb", required=True)
    test = verbs.add_parser("test", help="run the cases")
    test.add_argument("--summary", type=pathlib.Path, help="file for \"passed failed skipped\"")
    test.add_argument("name", nargs="*", help="run only cases whose name contains this")
    fetched = verbs.add_parser("fetch", help="get kernels into the cache, which the other verbs do too when they need them")
    fetched.add_argument("--debug", action="store_true", help="the debug symbols that drgn needs, too")
    fetched.add_argument("series", nargs="*", default=["6.1"])
    own = verbs.add_parser("kernel", help="build kernels of ours")
    own.add_argument("series", nargs="?", default="6.1", help="folder of kernel/ (6.1)")
    own.add_argument("profile", nargs="*", help="of capture-kernel/config/profiles (all)")
    verbs.add_parser("list", help="names of the cases")
    verbs.add_parser("demo", help="one crash, explained")
    bench = verbs.add_parser("bench", help="seconds from panic to each milestone")
    bench.add_argument("runs", nargs="?", type=int, default=5)
    device = verbs.add_parser("bench-device", help="MiB/s of each way to read old memory in the capture kernel")
    device.add_argument("series", nargs="*", default=["6.1", "6.12"])
    options = parser.parse_args()
    if options.verb == "test":
        if unknown := runner.unknown_names(options.name):
            print(f"hmem_e2e: no case has {' or '.join(map(repr, unknown))} in its name; see hmem_e2e list", file=sys.stderr)
            return 2
        total = runner.run_cases(options.name, options.summary)
        return 1 if total["FAIL"] else 0
    if options.verb == "fetch":
        return fetch(options.series, options.debug)
    if options.verb == "kernel":
        return build_kernels(options.series, options.profile)
    if options.verb == "list":
        print("\n".join(case.name for case in runner.find_cases()))
        return 0
    if options.verb == "bench-device":
        return device_speed.run(options.series)
    return demo.run() if options.verb == "demo" else timings.run(options.runs)


if __name__ == "__main__":
    sys.exit(main())
