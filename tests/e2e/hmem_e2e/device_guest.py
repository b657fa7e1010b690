# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose only process is tests/device: it crashes, and in the capture kernel /dev/hmem is tested."""
import dataclasses
import pathlib
import shutil

from . import images, machine, paths, qmp, zoo
from .errors import Failure

TIMEOUT = 420
# A GiB of it in one piece, for reads that take long, wherever the kernel and what it reserves come to lie.
MEMORY_MIB = 1536
CRASHKERNEL_MIB = 192
COMMAND_LINE = "console=ttyS0 printk.devkmsg=on"
# Two CPUs: two readers really at once. The one that crashes is the boot CPU, without which there cannot be more than one.
CAPTURE_COMMAND_LINE = f"{COMMAND_LINE} nr_cpus={{cpus}} irqpoll reset_devices panic=10 hmem.test={{wanted}}"


@dataclasses.dataclass(frozen=True)
class Device:
    """One kernel, and the hmem.ko for it; None where the device is built in."""
    kernel: object
    module: pathlib.Path | None


def stock(kernel):
    return Device(kernel, zoo.driver(kernel))


def _initrd(path, device, wanted, cpus):
    """The same program twice: as first process of the kernel that fails, with the capture kernel beside it, and of that."""
    program = paths.program("capture", "device-test")
    if not program.exists():
        raise Failure(f"{program} is not built")
    files = {"init": (0o755, program.read_bytes()), **images.disk_modules(device.kernel)}
    if device.module:
        files["modules/hmem.ko"] = (0o644, device.module.read_bytes())
    capture = path.with_name("capture-initrd")
    images.write_cpio(capture, files, ["dev", "modules", "proc", "sys"])
    files |= {"capture/vmlinuz": (0o644, device.kernel.vmlinuz.read_bytes()), "capture/initrd": (0o644, capture.read_bytes()),
              "capture/cmdline": (0o644, CAPTURE_COMMAND_LINE.format(wanted=wanted, cpus=cpus).encode())}
    images.write_cpio(path, files, ["capture", "dev", "modules", "proc", "sys"])


class DeviceGuest:
    """Runs until the program has said its last word; then the machine stands still, and memory and disk can be looked at."""

    def __init__(self, name, device, wanted, cpus=2):
        self.folder = paths.RUNS / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.disk = self.folder / "disk.img"
        images.file_system(self.disk, "raw", f"{MEMORY_MIB}M")
        _initrd(self.folder / "initrd", device, wanted, cpus)
        self.monitor = qmp.Monitor()
        self._machine = machine.Machine(self.folder, device.kernel.vmlinuz, self.folder / "initrd",
                                        f"{COMMAND_LINE} crashkernel={CRASHKERNEL_MIB}M panic=10", [machine.plain_drive(self.disk)],
                                        memory_mib=MEMORY_MIB, extra=["-action", "reboot=shutdown", *self.monitor.options])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.monitor.__exit__()
        self._machine.stop()
        for file in (self.disk, self.folder / "initrd", self.folder / "capture-initrd"):
            file.unlink(missing_ok=True)

    def run(self):
        """What the kernels logged, first and second, when all was done."""
        at, _ = self._machine.wait(r"hmem-test: (crashing|failed)", TIMEOUT)
        self._machine.wait(r"hmem-test: end", TIMEOUT, at)
        self.monitor.stop()
        return [text for _, text in self._machine.lines]
