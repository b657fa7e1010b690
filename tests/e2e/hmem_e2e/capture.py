# SPDX-License-Identifier: GPL-2.0-or-later
"""One crash from boot to what lies on the disk: the guest that most cases run."""
import dataclasses
import json
import pathlib
import shutil

from . import images, kernels, load, machine, mix, own_kernels, paths, zoo
from .errors import Failure

# Under emulation, with another guest beside it, on a busy machine. A healthy run needs a tenth of these.
BOOT_TIMEOUT = 180
CAPTURE_TIMEOUT = 240

# What makes the kernel fail: WITNESS arguments (CPU WORD [SPIN_CPU]).
TRIGGERS = {
    "pointer": "1 pointer",
    "pointer-on-0": "0 pointer",
    "sysrq": "1 sysrq",
    "interrupt": "1 interrupt:0 0",
}

# Lines of kdump-arm.conf with which a dump has all memory.
EVERYTHING = ("exclude = zero", "keep = nothing")


@dataclasses.dataclass
class Plan:
    """What to boot and how it shall fail."""
    series: str = "6.1"
    trigger: str = "pointer"
    # "root": a directory of the root file system; "ext4", "xfs", "raw": a disk of its own.
    target: str = "root"
    cpu: str = "max"
    cpus: int = 2
    warn_first: bool = False
    preset: str = "capture"
    fault: str = ""
    # What must have been read in the end, as a dump's header says it: "device" by hmem.ko, "vmcore".
    source: str = "device"
    # The kernel that hmem.ko is of; empty: the guest's own.
    driver: str = ""
    # Further lines of kdump-arm.conf.
    settings: tuple = ()
    # Further words for QEMU.
    hardware: tuple = ()
    # Less than this leaves no room for the reservation at some of the places kaslr puts the kernel.
    memory_mib: int = 384
    # So much of it is filled with what does not compress.
    fill_mib: int = 0
    # Empty: nothing is reserved.
    crashkernel: str = "128M"
    # It is what `kdump-arm estimate` says for this guest.
    estimated: bool = False
    # Ask kdump-arm for all its verbs before it arms.
    arming: bool = False
    target_size: str = "600M"
    # Units of memory of every kind (see mix.py), written down by tests/zoo/page_truth.c; the guest then fails without a witness.
    mix: int = 0
    # Beside a mix: what a dump of the running kernel would have is told before the kernel fails.
    live: bool = False
    # Beside a mix: so much of it is used as a server's memory is (see load.py).
    load_mib: int = 0
    # Further words for the command line of the kernel that fails.
    words: str = ""
    # Words for the capture kernel's command line.
    append: str = ""
    # "done": the first kernel has come up again and powered off. "reset": the capture kernel has reset the machine.
    until: str = "done"
    # Of the target's disk: writes to it fail.
    bad_sector: int | None = None
    # Of Debian's kernel.
    flavour: str = kernels.CLOUD
    # Of a kernel of ours; "" is Debian's.
    profile: str = ""
    # Of the kernel of ours that captures; "" is the one that crashes.
    capture_profile: str = ""
    # How the disk of its own is attached: see machine.DISKS.
    disk: str = "virtio"
    # Further options of QEMU's -drive for it.
    drive_options: str = ""


@dataclasses.dataclass
class Captured:
    """Everything a case compares. Paths are on the host; `record` or `dump` is None when it is not there."""
    plan: Plan
    folder: pathlib.Path
    truth: pathlib.Path
    record: pathlib.Path | None
    dump: pathlib.Path | None
    timeline: dict
    lines: list


# What the guest calls the disk of its own, and the modules that it needs for it.
TARGET_DISKS = {"virtio": ("/dev/vdb", ""), "pluggable": ("/dev/vdb", ""), "ahci": ("/dev/sda", "ahci sd_mod"), "nvme": ("/dev/nvme0n1", "nvme")}


def target_device(plan):
    return TARGET_DISKS[plan.disk][0]


def first_kernel(plan):
    return own_kernels.kernel(plan.series, plan.profile) if plan.profile else kernels.kernel(plan.series, plan.flavour)


def other_kernel(plan):
    """The kernel that captures, where it is not the one that crashes."""
    return own_kernels.kernel(plan.series, plan.capture_profile) if plan.capture_profile else None


def configuration(plan):
    """kdump-arm.conf of a plan."""
    lines = ["label.rack = e2e", "target = " + (f"device {target_device(plan)}" if plan.target == "raw" else "path /var/crash")]
    if other := other_kernel(plan):
        lines.append(f"kernel = /boot/vmlinuz-{other.release}")
    lines += plan.settings
    if words := " ".join([plan.append, f"hmem.fault={plan.fault}" if plan.fault else ""]).strip():
        lines.append(f"append = {words}")
    return "".join(f"{line}\n" for line in lines)


def guest_settings(plan):
    own_disk = plan.target in ("ext4", "xfs")
    return {
        "TARGET_FS": plan.target if own_disk else "",
        "TARGET_DEVICE": target_device(plan) if plan.target != "root" else "",
        "TARGET_MODULES": TARGET_DISKS[plan.disk][1],
        "WITNESS": TRIGGERS[plan.trigger],
        "WARN_FIRST": "yes" if plan.warn_first else "",
        "ARMING": "yes" if plan.arming else "",
        "FILL_MIB": plan.fill_mib or "",
        "MIX": plan.mix or "",
        "LOAD_MIB": plan.load_mib or "",
        "LIVE": "yes" if plan.live else "",
    }


def prepare(plan, folder, files=None):
    """Makes the disks; returns (kernel, root disk, target disk or None). With a mix there is a third one, mix.img, and
    with a load a fourth, load.img. `files`: as images.root_disk() has them."""
    kernel = first_kernel(plan)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root = folder / "root.img"
    driver = zoo.driver(kernels.kernel(plan.driver)) if plan.driver else None
    images.root_disk(root, kernel, plan.preset, configuration(plan), guest_settings(plan), other_kernel(plan), driver,
                     {**(mix.guest_files(kernel) if plan.mix else {}), **(load.guest_files() if plan.load_mib else {}), **(files or {})})
    if plan.mix:
        mix.make_disk(folder / mix.DISK)
    if plan.load_mib:
        load.make_disk(folder / load.DISK, plan.load_mib)
    target = None
    if plan.target != "root":
        target = folder / "target.img"
        images.file_system(target, plan.target, plan.target_size)
    return kernel, root, target


def boot(plan, folder, kernel, root, target_drive):
    drives = [machine.plain_drive(root)] + ([target_drive] if target_drive else [])
    if plan.mix:
        drives.append(machine.plain_drive(folder / mix.DISK))
    if plan.load_mib:
        drives.append(machine.plain_drive(folder / load.DISK))
    # On a busy host the emulated timer can be late for the kernel's test of it, which ends in a panic ("IO-APIC + timer doesn't
    # work"); kdump-arm passes the word on to the capture kernel.
    command_line = "console=ttyS0 root=/dev/vda rw oops=panic panic=10 no_timer_check"
    if plan.crashkernel:
        command_line += f" crashkernel={plan.crashkernel}"
    if plan.words:
        command_line += f" {plan.words}"
    return machine.Machine(folder, kernel.vmlinuz, images.initrd(kernel), command_line, drives,
                           memory_mib=plan.memory_mib, cpu=plan.cpu, cpus=plan.cpus, last_disk=plan.disk,
                           extra=[*plan.hardware, *(["-action", "reboot=shutdown"] if plan.until == "reset" else [])])


def watch(guest, until="done", boot_timeout=BOOT_TIMEOUT, capture_timeout=CAPTURE_TIMEOUT, who="hmem"):
    """Follows the console from first boot to power-off or reset (Plan.until); returns seconds by event. `who` says its name in
    front of what it tells from the capture kernel."""
    timeline = {}

    def note(event, pattern, timeout, after):
        at, match = guest.wait(pattern, timeout, after)
        timeline[event] = guest.lines[at][0]
        return at, match

    at, _ = note("first boot", r"hmem-guest: first boot", boot_timeout, 0)
    at, match = note("armed", r"hmem-guest: arm exit (\d+)", boot_timeout, at)
    if match.group(1) != "0":
        raise Failure(f"kdump-arm arm: exit {match.group(1)}: {' | '.join(text for _, text in guest.lines[at - 8:at])}")
    at, _ = note("trigger", r"hmem-guest: trigger", boot_timeout, at)
    crashed = at
    note("capture kernel up", rf"{who}: capture kernel up", capture_timeout, crashed)
    if until == "reset":
        guest.wait_end(capture_timeout)
        timeline["reset"] = guest.seconds()
    else:
        at, _ = note("second boot", r"hmem-guest: second boot", capture_timeout, crashed)
        note("done", r"hmem-guest: done", boot_timeout, at)
        guest.wait_end(boot_timeout)
    for event in ("record durable", "dump durable", "rebooting"):
        if found := guest.find(rf"{who}: {event}", crashed):
            timeline[event] = found[0]
    return timeline


def _only(folder, name):
    files = sorted(folder.rglob(name))
    if len(files) > 1:
        raise Failure(f"more than one {name}: {files}")
    return files[0] if files else None


def collect(plan, folder, root, target, timeline, lines):
    """Copies what the guest left to the host."""
    out = folder / "out"
    images.copy_out(root, "/truth", out)
    record = dump = None
    if plan.target == "raw":
        dump = target
    else:
        where = {"root": (root, "/var/crash"), "ext4": (target, "/"), "xfs": (root, "/collected")}[plan.target]
        images.copy_out(*where, out / "crash")
        record = _only(out / "crash", "first-failure.pb")
        # Stages that died leave what they had under further names; the finished dump is the one that counts.
        dump = _only(out / "crash", "dump.hmem") or max((out / "crash").rglob("dump.*incomplete"), default=None,
                                                        key=lambda path: path.stat().st_size)
    root.unlink()
    for disk in (mix.DISK, load.DISK):
        (folder / disk).unlink(missing_ok=True)
    (folder / "timeline.json").write_text(json.dumps(timeline, indent=1), encoding="ascii")
    return Captured(plan, folder, out / "truth", record, dump, timeline, lines)


def crash(plan, name):
    """The whole run; its files stay in build/e2e/NAME."""
    folder = paths.RUNS / name
    kernel, root, target = prepare(plan, folder)
    drive = machine.plain_drive(target) if target else None
    if plan.bad_sector is not None:
        drive = machine.failing_drive(target, plan.bad_sector)
    if plan.drive_options:
        drive += f",{plan.drive_options}"
    with boot(plan, folder, kernel, root, drive) as guest:
        timeline = watch(guest, plan.until)
        lines = list(guest.lines)
    return collect(plan, folder, root, target, timeline, lines)
