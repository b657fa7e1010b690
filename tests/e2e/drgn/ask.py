# SPDX-License-Identifier: GPL-2.0-or-later
"""ask.py DUMP VMLINUX: what drgn sees of a crash, as JSON."""
import json
import sys

import drgn
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.printk import get_dmesg
from drgn.helpers.linux.sched import task_cpu


def stack_of(program, pid):
    """Addresses, innermost first. drgn shows an inlined function as a frame of its own with its caller's address: one of
    these is kept."""
    addresses = []
    for frame in program.stack_trace(pid):
        try:
            address = frame.pc
        except LookupError:
            break
        if addresses[-1:] != [address]:
            addresses.append(address)
    return addresses


def main():
    program = drgn.Program()
    program.set_core_dump(sys.argv[1])
    program.load_debug_info([sys.argv[2]])
    log = get_dmesg(program)
    cpu = program["panic_cpu"].counter.value_()
    tasks = [[task.pid.value_(), task.comm.string_().decode(errors="replace"), task.value_()]
             for task in for_each_task(program)]
    crashed = next(task for task in for_each_task(program)
                   if task.on_cpu.value_() and task_cpu(task) == cpu)
    pid = crashed.pid.value_()
    json.dump({
        "log": log.decode(errors="replace") if isinstance(log, bytes) else log,
        "crashed_cpu": cpu,
        "crashed_pid": pid,
        "tasks": tasks,
        "stack": stack_of(program, pid),
    }, sys.stdout)


main()
