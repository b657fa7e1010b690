# SPDX-License-Identifier: GPL-2.0-or-later
"""/dev/hmem in the capture kernel: every call and every refusal, and the bytes against those that the machine has."""
import functools
import re

from .. import device_guest, kernels, memory_map, own_kernels
from ..errors import Failure, Skip
from ..runner import Case

# What the log of a capture kernel has when the driver did something that no driver may.
COMPLAINT = re.compile(r"BUG:|WARNING:|Oops|UBSAN|KASAN|general protection|rcu: INFO|blocked for more than|usercopy:|Corrupted page table|Bad page")
COMPARED_BYTES = 1 << 20
PAGE = 4096
# Of a machine whose first kernel filled all it could.
MIN_NONZERO = 0.75


def _said(lines):
    """The program's lines without what the log puts in front."""
    found = [re.search(r"hmem-test: (.*)$", line) for line in lines]
    return [match.group(1) for match in found if match]


def _claim_results(claims, said):
    """Every test that was announced has a result, which is a claim of its own."""
    announced = sum(int(line.split()[0]) for line in said if re.fullmatch(r"\d+ tests", line))
    results = [re.match(r"(PASS|FAIL|SKIP) ([\w.-]+)(?:: (.*))? \(\d+\.\d s\)$", line) for line in said]
    results = [match for match in results if match]

    def announced_ran():
        failed = [line for line in said if line.startswith("failed")]
        if failed or not results or len(results) != announced:
            raise Failure(f"{len(results)} results of {announced} tests; {' | '.join(failed)}")

    def judge(state, text):
        if state == "FAIL":
            raise Failure(text)
        if state == "SKIP":
            raise Skip(text)

    for match in results:
        claims.hold(match.group(2), judge, match.group(1), match.group(3))
    claims.hold("all-ran", announced_ran)


def _no_complaint(lines):
    start = next(number for number, line in enumerate(lines) if "hmem-test: crashing" in line)
    complaints = [line for line in lines[start:] if COMPLAINT.search(line)]
    # The crash itself, in the first kernel, is none: it ends where the second one begins.
    banner = next(number for number, line in enumerate(lines[start:]) if "Linux version" in line)
    complaints = [line for line in lines[start + banner:] if COMPLAINT.search(line)]
    if complaints:
        raise Failure(f"{len(complaints)} complaints of the capture kernel: {' | '.join(complaints[:5])}")


def _regions(said):
    """[(start, bytes, virt, kind)] of HMEM_REGIONS."""
    return [tuple(int(word, 0) for word in line.split()[1:]) for line in said if line.startswith("region ")]


def _is_iomem(said):
    told = [(start, start + size) for start, size, _, kind in _regions(said) if kind == 1]
    expected = memory_map.dumped_ram("\n".join(line.removeprefix("iomem ") for line in said if line.startswith("iomem ")))
    if told != expected:
        raise Failure(f"HMEM_REGIONS {told}, /proc/iomem of the first kernel {expected}")


def _compare(guest, regions):
    """Every byte that read(2) gave against the machine's own memory."""
    offset, nonzero, pages, wrong = 0, 0, 0, []
    saved = guest.folder / "memory"
    with open(guest.disk, "rb") as disk:
        for start, size, _, kind in regions:
            if kind != 1:
                continue
            guest.monitor.save_memory(start, size, saved)
            if saved.stat().st_size != size:
                raise Failure(f"QEMU saved {saved.stat().st_size} of {size} bytes at {start:#x}")
            with open(saved, "rb") as memory:
                disk.seek(offset)
                for at in range(0, size, COMPARED_BYTES):
                    expected = memory.read(COMPARED_BYTES)
                    found = disk.read(len(expected))
                    for page in range(0, len(expected), PAGE):
                        pages += 1
                        nonzero += any(expected[page:page + 64])
                    if found != expected:
                        wrong += [start + at + page for page in range(0, len(expected), PAGE)
                                  if found[page:page + PAGE] != expected[page:page + PAGE]]
            saved.unlink()
            offset += -(-size // PAGE) * PAGE
    if wrong:
        raise Failure(f"{len(wrong)} of {pages} pages differ from the machine's: {' '.join(map(hex, wrong[:20]))}")
    if nonzero < MIN_NONZERO * pages:
        raise Failure(f"only {nonzero} of {pages} pages begin with anything but zeros: too little was compared")


def run(name, find_device, claims):
    with device_guest.DeviceGuest(f"device-{name}", find_device(), "tests") as guest:
        lines = guest.run()
        said = _said(lines)
        _claim_results(claims, said)
        claims.hold("no-complaint", _no_complaint, lines)
        claims.hold("regions-are-iomem", _is_iomem, said)
        claims.hold("bytes-are-the-machines", _compare, guest, _regions(said))


DEVICES = {
    "6.1": lambda: device_guest.stock(kernels.kernel("6.1")),
    "6.12": lambda: device_guest.stock(kernels.kernel("6.12")),
    "own-6.1": lambda: device_guest.Device(own_kernels.kernel("6.1", "test"), None),
}


def cases():
    return [Case(f"device.{name}", functools.partial(run, name, find), 80) for name, find in DEVICES.items()]
