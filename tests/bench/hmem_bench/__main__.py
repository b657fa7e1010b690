# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m hmem_bench footprint|capture|sparse|whole, as ./dev bench calls it."""
import argparse
import sys

from . import capture, footprint, sparse, whole


def main():
    parser = argparse.ArgumentParser(prog="hmem_bench")
    verbs = parser.add_subparsers(dest="verb", required=True)
    smallest = verbs.add_parser("footprint", help="the smallest crashkernel= with which a crash is saved, by bisection")
    smallest.add_argument("--kernel", action="append", choices=list(footprint.KINDS), help="capture kernels (all)")
    smallest.add_argument("--ram", action="append", type=int, metavar="MIB", help="memory of the guest (512 and 4096)")
    smallest.add_argument("--cpus", action="append", type=int, help="CPUs of the capture kernel (1)")
    smallest.add_argument("--write", action="store_true", help="put what was found into capture-kernel/footprint.table")
    speed = verbs.add_parser("capture", help="makedumpfile and hmemdump over the same memory")
    speed.add_argument("runs", nargs="?", type=int, default=5, help="runs of each, in turns (5)")
    speed.add_argument("--only", action="append", metavar="WORDS", help="rows whose names have them")
    verbs.add_parser("sparse", help="hmemdump over a made core of 4 TiB")
    crashes = verbs.add_parser("whole", help="whole captures, by busybox with makedumpfile and by hmem")
    crashes.add_argument("runs", nargs="?", type=int, default=5, help="crashes of each, in turns (5)")
    options = parser.parse_args()
    if options.verb == "capture":
        return capture.run(options.runs, options.only)
    if options.verb == "whole":
        return whole.run(options.runs)
    if options.verb == "sparse":
        return sparse.run()
    if options.write and (options.cpus or [1]) != [1]:
        parser.error("--write: the table is about one CPU")
    return footprint.run(options.kernel or list(footprint.KINDS), options.ram or [512, 4096], options.cpus or [1],
                         options.write)


if __name__ == "__main__":
    sys.exit(main())
