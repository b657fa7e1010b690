# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench footprint: the smallest crashkernel= that saves a crash, by capture kernel and size of memory, and where the
memory goes there. What it finds is the table that kdump-arm estimates from."""
import dataclasses
import itertools
import struct
import sys
import time

from hmem_e2e import capture, paths, scope
from hmem_e2e.errors import Failure, Skip

from .attempt import attempt

TABLE = paths.ROOT / "capture-kernel" / "footprint.table"
STEP_MIB = 2
FLOOR_MIB = 16  # no kernel of today is loaded into less
HIGHEST_MIB = 256
# So much of the guest's memory does not compress: the page cache of the capture kernel is under pressure.
FILL_SHARE = 8


@dataclasses.dataclass(frozen=True)
class Kind:
    """A capture kernel, and the Debian kernel that crashes."""
    series: str
    releases: str  # those that the result speaks for
    start_mib: int  # looked at first
    profile: str = ""  # of a capture kernel of ours; "": the one that crashes captures


KINDS = {
    "cloud-6.1": Kind("6.1", "6.1.*-cloud-amd64", 68),
    "cloud-6.12": Kind("6.12", "6.12.*-cloud-amd64", 76),
    "minimal": Kind("6.1", "6.1.*-hmem", 26, "capture"),
}


@dataclasses.dataclass
class Found:
    kind: str
    ram_mib: int
    cpus: int
    smallest_mib: int
    below: str  # why one step less does not do
    account: dict  # see attempt.Attempt; of the crash that had least to spare


def plan_of(kind, ram_mib, cpus, size_mib):
    settings = (f"cpus = {cpus}",) if cpus != 1 else ()
    return capture.Plan(kind.series, "pointer", "root", memory_mib=ram_mib, crashkernel=f"{size_mib}M", until="reset",
                        # A quiet kernel does not tell where its own memory goes.
                        append="loglevel=7", capture_profile=kind.profile, settings=settings, fill_mib=ram_mib // FILL_SHARE)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def search(saves, start_mib):
    """The least size that saves twice in a row; saves(size) is asked as seldom as bisection allows when `start_mib` is near."""
    stride = 2 * STEP_MIB
    if saves(start_mib):
        high = start_mib
        while high - stride > FLOOR_MIB and saves(high - stride):
            high, stride = high - stride, 2 * stride
        low = max(high - stride, FLOOR_MIB)
    else:
        low = start_mib
        while not saves(low + stride):
            low, stride = low + stride, 2 * stride
            if low > HIGHEST_MIB:
                raise Failure(f"not saved with crashkernel={low}M")
        high = low + stride
    while high - low > STEP_MIB:
        middle = (low + high) // 2 // STEP_MIB * STEP_MIB
        if saves(middle):
            high = middle
        else:
            low = middle
    in_a_row = 1
    while in_a_row < 2:
        if saves(high):
            in_a_row += 1
        else:
            high, in_a_row = high + STEP_MIB, 0
    return high


def smallest(name, ram_mib, cpus, start_mib):
    kind = KINDS[name]
    tries = {}

    def saves(size):
        start = time.monotonic()
        done = attempt(plan_of(kind, ram_mib, cpus, size), f"{name}-{ram_mib}M-{cpus}cpu-{size}M")
        say(f"{name}, {ram_mib} MiB, {cpus} CPU: crashkernel={size}M: {'saved' if done.saved else done.why} "
            f"({time.monotonic() - start:.0f} s)")
        tries.setdefault(size, []).append(done)
        return done.saved

    size = search(saves, start_mib)
    below = next((done for done in tries.get(size - STEP_MIB, []) if not done.saved), None)
    if below is None:
        raise Failure(f"{name}: crashkernel={size}M saves, and less was not looked for")
    worst = min((done for done in tries[size] if done.saved), key=lambda done: done.account.get("least", 0))
    return Found(name, ram_mib, cpus, size, below.why, worst.account)


def init_size_kib(vmlinuz):
    """Of a bzImage's header: the memory it unpacks itself in (Linux Documentation/arch/x86/boot.rst)."""
    with open(vmlinuz, "rb") as file:
        return struct.unpack_from("<I", file.read(0x264), 0x260)[0] // 1024


def row_of(found):
    """A line of capture-kernel/footprint.table."""
    kind = KINDS[found.kind]
    plan = plan_of(kind, found.ram_mib, found.cpus, found.smallest_mib)
    image = (capture.other_kernel(plan) or capture.first_kernel(plan)).vmlinuz
    return (f"{kind.releases:20} {found.ram_mib:8} {init_size_kib(image):14} {found.account['initramfs']:14} "
            f"{found.smallest_mib:17}")


def write(found):
    """Puts the rows in the place of those of the same kernels and sizes; what else is there stays."""
    lines = TABLE.read_text(encoding="ascii").splitlines()
    rows = {tuple(line.split()[:2]): line for line in lines if not line.startswith("#")}
    for one in found:
        row = row_of(one)
        rows[tuple(row.split()[:2])] = row
    comments = [line for line in lines if line.startswith("#")]
    ordered = sorted(rows.items(), key=lambda item: (item[0][0], int(item[0][1])))
    TABLE.write_text("\n".join(comments + [row for _, row in ordered]) + "\n", encoding="ascii")


# Where crashkernel= goes: what is said, and how much of an account that is.
SHARES = (
    ("kernel: code", lambda a: a["code"]),
    ("kernel: data and bss", lambda a: a["rwdata"] + a["rodata"] + a["bss"]),
    ("struct pages and what else is taken at boot", lambda a: a["present"] - a["total"] - a["code"] - a["rwdata"]
     - a["rodata"] - a["bss"]),
    ("initramfs, unpacked", lambda a: a["initramfs"]),
    ("slab", lambda a: a["slab"]),
    ("kernel stacks, page tables, per-CPU", lambda a: a["stacks"] + a["tables"] + a["percpu"]),
    ("processes' own memory", lambda a: a["anonymous"]),
    ("page cache", lambda a: a["cache"]),
    ("available at the start of userland", lambda a: a["start"]),
    ("least available", lambda a: a["least"]),
    ("peak of hmem-init", lambda a: a["hmem-init"]),
    ("peak of hmemdump, record", lambda a: a["record"]),
    ("peak of hmemdump, dump", lambda a: a["full"]),
)


def tell(found):
    """The tables for docs/benchmarks.md."""
    print("| capture kernel | memory | smallest crashkernel= | with 2 MiB less |\n|---|---|---|---|")
    for one in found:
        print(f"| {one.kind} | {one.ram_mib} MiB | {one.smallest_mib}M | {one.below} |")
    print("\n| MiB | " + " | ".join(f"{one.kind}, {one.ram_mib} MiB" for one in found) + " |")
    print("|---|" + "---|" * len(found))
    for what, share in SHARES:
        print(f"| {what} | " + " | ".join(f"{share(one.account) / 1024:.1f}" for one in found) + " |")


def run(names, rams, cpus, keep):
    """Prints what it finds, and puts it into the table when `keep`; 1 when a size could not be found."""
    scope.PRESET = "release"
    found = []
    for name, ram, count in itertools.product(names, rams, cpus):
        try:
            before = [one.smallest_mib for one in found if one.kind == name]
            found.append(smallest(name, ram, count, before[-1] if before else KINDS[name].start_mib))
        except (Failure, Skip) as error:
            say(str(error))
            return 1
    tell(found)
    if keep:
        write(found)
    return 0
