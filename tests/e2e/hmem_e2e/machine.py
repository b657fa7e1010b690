# SPDX-License-Identifier: GPL-2.0-or-later
"""One QEMU machine: its console as time-stamped lines, waited for by pattern; never slept for."""
import os
import re
import subprocess
import threading
import time

from .errors import GuestFailure


def accelerator():
    """Emulation unless told otherwise: it needs nothing, and `-cpu max` has 5-level page tables on every host. A machine may
    have a /dev/kvm that QEMU cannot use, or whose CPU has only 4 levels. The buffer for translated code is small, since each of
    our guests runs one kernel after the other: from QEMU's own 1 GiB the code of dead ones is only taken piece by piece, which
    costs a third of the time of a reboot through kexec."""
    return os.environ.get("HMEM_E2E_ACCEL", "tcg,thread=multi,tb-size=128")


# QEMU's -device for a disk by how it is attached; q35 has an AHCI controller of its own, and lets go of nothing but what is behind
# a port (PORT).
DISKS = {"virtio": "virtio-blk-pci,drive={0}", "ahci": "ide-hd,drive={0},bus=ide.0", "nvme": "nvme,drive={0},serial={0}",
         "pluggable": "virtio-blk-pci,drive={0},bus=socket,id=pluggable"}
PORT = ("-device", "pcie-root-port,id=socket,chassis=1,slot=1")


def plain_drive(image):
    """Options of QEMU's -drive for a raw image; what the host's page cache holds is enough here."""
    return f"format=raw,cache=unsafe,file={image}"


def failing_drive(image, sector):
    """The same, and every write that touches this sector fails with EIO."""
    return (f"format=raw,cache=unsafe,werror=report,file.driver=blkdebug,file.image.driver=file,file.image.filename={image},"
            f"file.inject-error.0.event=pwritev,file.inject-error.0.errno=5,file.inject-error.0.sector={sector}")


# The kernel writes its lines when it has something to say, also behind a program's that has not ended yet.
_KERNEL_CUTS_IN = re.compile(r"(?<=\S)(?=\[ *\d+\.\d{6}\] )")


class Machine:
    """Runs until it powers off, or is stopped. `lines` are (seconds since the start, text). `drives` are virtio disks, the
    last one is attached as `last_disk` says."""

    def __init__(self, folder, kernel, initrd, command_line, drives, *, last_disk="virtio", memory_mib=384, cpu="max", cpus=2, extra=()):
        self.folder = folder
        self.lines = []
        self._condition = threading.Condition()
        self._ended = False
        self._hooks = []
        command = ["qemu-system-x86_64", "-machine", "q35", "-accel", accelerator(), "-cpu", cpu, "-smp", str(cpus),
                   "-m", str(memory_mib), "-display", "none", "-nodefaults", "-serial", "stdio",
                   "-kernel", str(kernel), *(["-initrd", str(initrd)] if initrd else []), "-append", command_line, *extra]
        # Explicit devices: QEMU makes them in this order, so the first is the guest's vda.
        for number, drive in enumerate(drives):
            disk = last_disk if number == len(drives) - 1 else "virtio"
            command += ["-drive", f"if=none,id=disk{number},{drive}", "-device", DISKS[disk].format(f"disk{number}")]
        self._log = open(folder / "console.log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self._log.write("# " + " ".join(command) + "\n")
        self._start = time.monotonic()
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def _read(self):
        tail = b""
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            now = time.monotonic() - self._start
            *whole, tail = (tail + chunk).split(b"\n")
            with self._condition:
                for raw in whole:
                    text = raw.decode("utf-8", "replace").rstrip("\r")
                    for regex, call in self._hooks:
                        if regex.search(text):
                            call()
                    self.lines += [(now, part) for part in _KERNEL_CUTS_IN.split(text)]
                    self._log.write(f"{now:9.3f} {text}\n")
                self._log.flush()
                self._condition.notify_all()
        with self._condition:
            if tail:
                self.lines.append((time.monotonic() - self._start, tail.decode("utf-8", "replace")))
            self._ended = True
            self._condition.notify_all()

    def on_line(self, pattern, call):
        """call() as soon as a line matches, before the line can be waited for; set before the line can come."""
        self._hooks.append((re.compile(pattern), call))

    def wait(self, pattern, timeout, after=0):
        """The first line number >= `after` that matches, and the match. GuestFailure when time or machine end first."""
        deadline = time.monotonic() + timeout
        at = after
        with self._condition:
            while True:
                while at < len(self.lines):
                    if "Attempted to kill init" in self.lines[at][1]:
                        raise GuestFailure(f"the first process of the guest died; see {self.folder}/console.log")
                    if match := re.search(pattern, self.lines[at][1]):
                        return at, match
                    at += 1
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "the machine ended" if self._ended else f"{timeout} s passed"
                    raise GuestFailure(f"{why} before the console said /{pattern}/; last line: "
                                       f"{self.lines[-1][1] if self.lines else '(none)'}; see {self.folder}/console.log")
                self._condition.wait(left)

    def find(self, pattern, after=0):
        """(seconds, match) of the first line that matches so far, or None."""
        with self._condition:
            for seconds, text in self.lines[after:]:
                if match := re.search(pattern, text):
                    return seconds, match
        return None

    def seconds(self):
        """Since the start."""
        return time.monotonic() - self._start

    def wait_end(self, timeout):
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise GuestFailure(f"the machine did not power off within {timeout} s; see {self.folder}/console.log") from error

    def stop(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        self._log.close()
