# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine is stopped where the capture kernel has its first process, and its memory saved by QEMU; then it goes on and makes
its dump, of which every page must have those bytes, in every format."""
import dataclasses

from .. import capture, machine, page_content, paths, qmp
from ..runner import Case

PLAN = capture.Plan("6.1", target="raw", until="reset", fill_mib=48)


def run(claims):
    folder = paths.RUNS / "content"
    with qmp.Monitor() as monitor:
        plan = dataclasses.replace(PLAN, hardware=tuple(monitor.options))
        kernel, root, target = capture.prepare(plan, folder)
        memory = folder / "memory"
        with capture.boot(plan, folder, kernel, root, machine.plain_drive(target)) as guest:
            guest.wait(r"hmem: capture kernel up", capture.BOOT_TIMEOUT + capture.CAPTURE_TIMEOUT)
            monitor.stop()
            monitor.save_memory(0, plan.memory_mib << 20, memory)
            monitor.go_on()
            timeline = capture.watch(guest, plan.until)
            lines = list(guest.lines)
        captured = capture.collect(plan, folder, root, target, timeline, lines)
    content = claims.hold("dump", page_content.Content, captured.dump, memory, folder)
    if content is not None:
        page_content.claim_agreement(claims, content)
    memory.unlink()


def cases():
    return [Case("content", run, 150)]
