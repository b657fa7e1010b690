# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of a program: how long, how much CPU, how much memory."""
import dataclasses
import os
import subprocess
import time

from hmem_e2e.errors import Failure

SAMPLE_SECONDS = 0.002


@dataclasses.dataclass
class Timed:
    """Seconds; `cpu` is user and system."""
    wall: float
    cpu: float


def _start(command, log):
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _end(process, log, exits):
    """rusage; Failure with the end of what was said when the exit code is none of `exits`."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in exits:
        log.seek(0)
        said = log.read()[-1000:].decode(errors="replace").strip()
        raise Failure(f"{' '.join(map(str, process.args))}: exit {process.returncode}: {said}")
    return usage


def timed(command, folder, exits=(0,)):
    with open(folder / "log", "w+b") as log:
        start = time.perf_counter()
        process = _start(command, log)
        usage = _end(process, log, exits)
        return Timed(time.perf_counter() - start, usage.ru_utime + usage.ru_stime)


def peaks(command, folder, exits=(0,)):
    """KiB by name of /proc/PID/status: the most that was seen, looked at every few milliseconds. Such a run is not for timing."""
    most = {"VmHWM": 0, "RssAnon": 0, "VmLck": 0}
    with open(folder / "log", "w+b") as log:
        process = _start(command, log)
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                for line in status:
                    name, _, value = line.partition(":")
                    if name in most:
                        most[name] = max(most[name], int(value.split()[0]))
            time.sleep(SAMPLE_SECONDS)
        _end(process, log, exits)
    return most
