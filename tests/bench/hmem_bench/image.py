# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory that ./dev bench capture dumps: all of a guest with more than 4 GiB as an ELF file, made once and kept in the cache."""
import sys

from hmem_e2e import capture, images, load, mix, paths
from hmem_e2e.errors import Failure
from hmem_e2e.machine import plain_drive
from hmem_e2e.shell import run

# Two fifths stay free, as the load takes memory for tables, too.
PLAN = capture.Plan("6.1", target="raw", target_size="5G", until="reset", memory_mib=4608, crashkernel="192M", mix=1,
                    load_mib=3000, words=mix.words(384), settings=capture.EVERYTHING)
# Under emulation, on a busy machine.
BOOT_TIMEOUT = 900
CAPTURE_TIMEOUT = 900


def _fill(folder):
    print("bench: a guest of 4.5 GiB is filled and crashed, for once", file=sys.stderr, flush=True)
    run_folder = paths.RUNS / "bench-image"
    kernel, root, target = capture.prepare(PLAN, run_folder)
    with capture.boot(PLAN, run_folder, kernel, root, plain_drive(target)) as guest:
        timeline = capture.watch(guest, PLAN.until, BOOT_TIMEOUT, CAPTURE_TIMEOUT)
        lines = list(guest.lines)
    captured = capture.collect(PLAN, run_folder, root, target, timeline, lines)
    said = [text.split("hmem-guest: ")[1] for _, text in lines if "hmem-guest: LOAD" in text or "hmem-guest: MIX" in text]
    (folder / "guest.txt").write_text("".join(f"{line}\n" for line in said), encoding="ascii")
    # Losses (3): the block of memory that the mix takes offline is zeros in an ELF core.
    done = run([paths.program("release", "hmemdump"), "-F", "elf", "-x", "none", "--no-record", captured.dump, folder / "memory.elf"],
               check=False)
    if done.returncode not in (0, 3):
        raise Failure(f"the guest's memory as an ELF core: exit {done.returncode}: {done.stderr[-1000:]}")
    target.unlink()


def memory():
    """The ELF file."""
    key = paths.digest_of(images.FILES / "load", images.FILES / "mix", paths.ROOT / "tests" / "e2e" / "mix", PLAN,
                          load.CACHE_SHARE, load.TMPFS_SHARE, capture.first_kernel(PLAN).name)
    return paths.cached_folder(f"bench/memory-{key}", _fill) / "memory.elf"
