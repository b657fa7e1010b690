# SPDX-License-Identifier: GPL-2.0-or-later
"""One crash with one crashkernel=: saved in full, or why not. Failures are read from the console and end at once."""
import dataclasses
import pathlib
import re

from hmem_e2e import capture, compare, paths, scope
from hmem_e2e.errors import Failure, GuestFailure
from hmem_e2e.machine import plain_drive
from hmem_e2e.truth import Truth

# Seconds for what takes a tenth of it on an idle machine.
BOOT_TIMEOUT = 240
KERNEL_TIMEOUT = 120  # from the failure to the capture kernel's userland
SAVE_TIMEOUT = 240
LINGER_TIMEOUT = 3

# What a capture kernel says that has too little memory. The last two are no end, but luck has begun.
STARVED = (r"Kernel panic - not syncing: .*", r"Initramfs unpacking failed: .*", r"hmem: stage \S+ failed: .*",
           r"hmem: no old kernel's memory here.*", r"Out of memory.*", r"\S+ invoked oom-killer.*",
           r".*page allocation failure: order.*")
STARVED_PATTERN = "|".join(f"(?:{pattern})" for pattern in STARVED)


@dataclasses.dataclass
class Attempt:
    saved: bool
    why: str  # what the console said, or what was wrong with the files
    # KiB by name: what the kernel and hmem-init say of memory, see ACCOUNT and BOOT_LINE.
    account: dict = dataclasses.field(default_factory=dict)


BOOT_LINE = re.compile(r"Memory: (\d+)K/(\d+)K available \((\d+)K kernel code, (\d+)K rwdata, (\d+)K rodata, (\d+)K init, "
                       r"(\d+)K bss, (\d+)K reserved")
BOOT_NAMES = ("free at boot", "present", "code", "rwdata", "rodata", "init", "bss", "reserved")
ACCOUNT = re.compile(r"hmem: memory in KiB: (.*)")


def account_of(lines):
    """From the capture kernel's lines."""
    account = {}
    for _, text in lines:
        if match := BOOT_LINE.search(text):
            account.update(zip(BOOT_NAMES, map(int, match.groups())))
        if match := ACCOUNT.search(text):
            account.update((name, int(kib)) for name, kib in (word.split("=") for word in match.group(1).split()))
    return account


def _arm(guest):
    """Line number of the trigger; GuestFailure with kdump-arm's words when it refuses."""
    at, match = guest.wait(r"hmem-guest: arm exit (\d+)", BOOT_TIMEOUT)
    if match.group(1) != "0":
        said = [text for _, text in guest.lines[at - 8:at] if text.startswith("kdump-arm: ") and "warning" not in text]
        raise GuestFailure("; ".join(said) or "kdump-arm refused")
    return guest.wait(r"hmem-guest: trigger", BOOT_TIMEOUT, at)[0]


def _reason(line):
    """Without the kernel's time, and the flags of an allocation."""
    return re.sub(r"^\[ *[\d.]+\] ", "", line).split(": gfp_mask", maxsplit=1)[0]


def _linger(guest, at):
    """What the kernel tells of its memory comes behind the line that says it has too little."""
    try:
        guest.wait(r"hmem: stage|Rebooting in", LINGER_TIMEOUT, at + 1)
    except GuestFailure:
        pass


def _watch(guest):
    """Until the capture kernel resets the machine; raises GuestFailure at the first sign of too little memory."""
    # An oops starts the capture kernel before anything is said of a panic.
    crashed = at = _arm(guest)
    for pattern, timeout in ((r"hmem: capture kernel up", KERNEL_TIMEOUT), (r"hmem: rebooting", SAVE_TIMEOUT)):
        at, _ = guest.wait(f"{pattern}|{STARVED_PATTERN}", timeout, at)
        if not re.search(pattern, guest.lines[at][1]):
            _linger(guest, at)
            raise GuestFailure(_reason(guest.lines[at][1]))
    guest.wait_end(BOOT_TIMEOUT)
    return account_of(guest.lines[crashed:])


def _judge(captured):
    """Record and dump are there, complete, and tell what the guest wrote down."""
    if captured.record is None or captured.dump is None:
        raise Failure(f"no {'record' if captured.record is None else 'dump'} on the disk")
    if captured.dump.name != "dump.hmem":
        raise Failure(f"the dump is called {captured.dump.name}")
    scope.text("verify", captured.dump)
    compare.failure(scope.report("report", captured.record)["failure"], captured, Truth(captured.truth))


def attempt(plan, name):
    """Boots, arms, crashes, saves, verifies; the console stays in build/e2e/NAME."""
    folder = paths.RUNS / "footprint" / name
    kernel, root, target = capture.prepare(plan, folder)
    try:
        with capture.boot(plan, folder, kernel, root, plain_drive(target) if target else None) as guest:
            account = _watch(guest)
            lines = list(guest.lines)
        captured = capture.collect(plan, folder, root, target, {}, lines)
        _judge(captured)
        return Attempt(True, "", account)
    except Failure as error:
        return Attempt(False, str(error).splitlines()[0][:300], {})
    finally:
        _keep_console(folder)


def _keep_console(folder: pathlib.Path):
    for disk in folder.glob("*.img"):
        disk.unlink()
    for dump in (folder / "out").rglob("dump.*"):
        dump.unlink()
