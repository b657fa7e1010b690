# SPDX-License-Identifier: GPL-2.0-or-later
"""Telling a QEMU machine what to do while it runs: the QEMU Machine Protocol over a socket."""
import json
import pathlib
import socket
import tempfile
import time

from .errors import GuestFailure


class Monitor:
    """Made before the machine, whose options it has; connected with the first command. A command is waited for."""

    def __init__(self):
        # A socket's path must be short, and that of a run's folder need not be.
        self._folder = tempfile.TemporaryDirectory(prefix="hmem-qmp-")  # pylint: disable=consider-using-with
        self._path = pathlib.Path(self._folder.name) / "qmp"
        self._socket = None
        self._lines = None
        self.options = ["-qmp", f"unix:{self._path},server=on,wait=off"]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self._socket:
            self._lines.close()
            self._socket.close()
        self._folder.cleanup()

    def _connect(self, timeout):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(str(self._path))
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._lines.readline()  # the greeting
        self._send("qmp_capabilities", {})

    def _send(self, name, arguments):
        self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise GuestFailure(f"QMP {name}: {answer['error']['desc']}")
            # Everything else is an event, about which nobody asked.
            if "return" in answer:
                return answer["return"]
        raise GuestFailure(f"QMP {name}: the machine ended")

    def command(self, name, timeout=60, **arguments):
        """The answer to a command; GuestFailure when it is refused or not answered in time."""
        try:
            if self._socket is None:
                self._connect(timeout)
            self._socket.settimeout(timeout)
            return self._send(name, arguments)
        except OSError as error:
            raise GuestFailure(f"QMP {name}: {error}") from error

    def stop(self):
        """No CPU runs any more when this returns."""
        self.command("stop")

    def go_on(self):
        self.command("cont")

    def save_memory(self, start, size, path):
        """Writes physical memory, as a CPU would see it, to a file."""
        self.command("pmemsave", val=start, size=size, filename=str(path))

    def wait_written(self, drive, size, timeout):
        """Until so many bytes were written to a drive, by its id."""
        deadline = time.monotonic() + timeout
        while True:
            written = next(one["stats"]["wr_bytes"] for one in self.command("query-blockstats") if one.get("device") == drive)
            if written >= size:
                return
            if time.monotonic() > deadline:
                raise GuestFailure(f"{written} bytes were written to {drive} in {timeout} s, not {size}")

    def unplug(self, device):
        """Asks the guest to let go of it; what it does then is its own affair."""
        self.command("device_del", id=device)
