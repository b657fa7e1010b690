# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench whole: one machine crashes again and again, captured in turns by busybox with makedumpfile and by us."""
import pathlib
import re
import statistics
import sys

from hmem_e2e import capture, images, packages, paths, scope
from hmem_e2e.errors import Failure, Skip
from hmem_e2e.machine import plain_drive
from hmem_e2e.shell import run as run_program

STOCK = pathlib.Path(__file__).parent.parent / "stock"
# A third of memory is a user's, which neither of them saves.
PLAN = capture.Plan("6.1", "pointer", "ext4", memory_mib=1024, crashkernel="192M", fill_mib=300, until="reset")
EVENTS = ("capture kernel up", "record durable", "dump durable", "reset")
LOADER = "ld-linux-x86-64.so.2"
BOOT_TIMEOUT = 300
CAPTURE_TIMEOUT = 300


def _linked(root, program):
    """A program of an unpacked package and the libraries it is linked to, by name; of the loader's and its own folders."""
    folders = [root / name for name in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64")]
    found, todo = {}, [program]
    while todo:
        file = todo.pop()
        needed = re.findall(r"\(NEEDED\) +Shared library: \[(\S+)\]", run_program(["readelf", "-d", file]).stdout)
        for name in {*needed, LOADER} - found.keys():
            place = next((folder / name for folder in folders if (folder / name).exists()), None)
            if place is None:
                raise Failure(f"{file} needs {name}, which no package has")
            found[name] = place.resolve()
            todo.append(found[name])
    return found


def _initramfs(folder, kernel):
    root = packages.unpacked("makedumpfile", without=("debconf", "perl", "perl-base"))
    program = root / "usr" / "bin" / "makedumpfile"
    libraries = _linked(root, program)
    files = {"init": (0o755, (STOCK / "init").read_bytes()), "bin/busybox": (0o755, images.BUSYBOX.read_bytes()),
             "bin/makedumpfile": (0o755, program.read_bytes()), **images.disk_modules(kernel)}
    for name, file in libraries.items():
        files[f"{'lib64' if name == LOADER else 'lib'}/{name}"] = (0o755, file.read_bytes())
    images.write_cpio(folder / "stock.initrd", files, ["bin", "dev", "lib", "lib64", "mnt", "modules", "proc", "tmp"])
    run_program(["zstd", "-q", "-f", "-3", folder / "stock.initrd", "-o", folder / "stock.initrd.zst"])
    return folder / "stock.initrd.zst"


def _guest_files(folder, kernel):
    """{place in the guest: file of the host}."""
    root = packages.unpacked("kexec-tools", without=("debconf",))
    program = root / "sbin" / "kexec"
    place = "usr/lib/stock"
    files = {"usr/sbin/kdump-arm": STOCK / "arm", f"{place}/kdump-arm": paths.program("capture", "kdump-arm"), f"{place}/kexec": program,
             f"{place}/initrd": _initramfs(folder, kernel)}
    return files | {f"{place}/{name}": file for name, file in _linked(root, program).items()}


def _stock(folder):
    folder.mkdir(parents=True, exist_ok=True)
    kernel = capture.first_kernel(PLAN)
    files = _guest_files(folder.parent, kernel)
    kernel, root, target = capture.prepare(PLAN, folder, files)
    with capture.boot(PLAN, folder, kernel, root, plain_drive(target)) as guest:
        timeline = capture.watch(guest, PLAN.until, BOOT_TIMEOUT, CAPTURE_TIMEOUT, who="stock")
    images.copy_out(target, "/", folder / "out")
    dump = folder / "out" / "dump"
    # That it can be used.
    if "quartz_face" not in scope.text("bt", dump):
        raise Failure(f"{dump}: the backtrace lacks quartz_face")
    return timeline, dump.stat().st_size


def _ours(folder):
    captured = capture.crash(PLAN, folder.relative_to(paths.RUNS))
    if "quartz_face" not in scope.text("bt", captured.dump):
        raise Failure(f"{captured.dump}: the backtrace lacks quartz_face")
    return captured.timeline, captured.dump.stat().st_size


def run(runs):
    """Markdown rows; 1 when a crash was not captured."""
    folder = paths.RUNS / "bench-whole"
    programs = {"stock": _stock, "hmem": _ours}
    seconds = {name: {event: [] for event in EVENTS} for name in programs}
    sizes = {}
    for number in range(runs):
        for name, crash in programs.items():
            print(f"bench: {name}, crash {number + 1} of {runs}", file=sys.stderr, flush=True)
            try:
                timeline, sizes[name] = crash(folder / name)
                for event in EVENTS:
                    if event not in timeline:
                        raise Failure(f"no {event!r}; see {folder / name}/console.log")
                    seconds[name][event].append(timeline[event] - timeline["trigger"])
            except (Failure, Skip) as error:
                print(f"bench: {name}: {error}", file=sys.stderr)
                return 1
    print(f"| seconds from panic to, {runs} crashes each: median (least-most) | busybox, makedumpfile -l -d 31 | hmem | ratio |\n|---|---|---|---|")
    for event in EVENTS:
        both = [seconds[name][event] for name in programs]
        told = " | ".join(f"{statistics.median(one):.2f} ({min(one):.2f}-{max(one):.2f})" for one in both)
        print(f"| {event} | {told} | {statistics.median(both[0]) / statistics.median(both[1]):.2f} |")
    print(f"| bytes of the dump | {sizes['stock']:,} | {sizes['hmem']:,} | |")
    return 0
