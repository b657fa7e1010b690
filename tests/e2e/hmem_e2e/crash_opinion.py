# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's crash, with the kernel's DWARF, opens the kdump and ELF forms of a dump of ours and must agree with hmemscope. It is not
asked for tasks: crash 8.0.2 finds those of a 6.1 kernel through a hash that is empty there."""
import re

from . import compare, own_kernels, paths, scope
from .errors import Failure
from .shell import run as run_program

FORMS = (("kdump", "zstd"), ("elf", "none"))
COMMANDS = ("bt", "log", "mod")
# " #4 [ff1dc504401d3ca0] page_fault_oops at ffffffff81e43204", "    RIP: ffffffffc03bb000  RSP: ..."
_FRAME = re.compile(r"^ *#\d+ \[[0-9a-f]+\] (?P<name>\S+) at (?P<frame>[0-9a-f]+)|^ +RIP: (?P<regs>[0-9a-f]+) ", re.MULTILINE)
# "ffffffffc03bd0c0  quartz  ffffffffc03bb000  16384  (not loaded)  [CONFIG_KALLSYMS]"
_MODULE = re.compile(r"^([0-9a-f]+) +(\S+) +([0-9a-f]+) +(\d+) ", re.MULTILINE)


def _asked(folder, vmlinux, made):
    """What crash prints for each command."""
    files = {command: folder / f"crash-{command}" for command in COMMANDS}
    words = "".join(f"{command} > {file}\n" for command, file in files.items())
    (folder / "crash-commands").write_text(f"{words}quit\n", encoding="utf-8")
    done = run_program(["crash", "-s", "-i", folder / "crash-commands", vmlinux, made], timeout=600)
    missing = [command for command, file in files.items() if not file.exists()]
    if missing:
        raise Failure(f"crash of {made.name} did not answer {' '.join(missing)}: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return {command: file.read_text(encoding="utf-8", errors="replace") for command, file in files.items()}


def _same(number, ours, theirs):
    (address, name), (its_address, its_name) = ours[number], theirs[number]
    if number == 0:
        # Where the registers were saved, or where the same function then called the next one; registers have no name there.
        return address == its_address if its_name is None else name == its_name
    # Of an interrupt's entry crash repeats the frame in front of it.
    return (address, name) == (its_address, its_name) or (name.startswith("asm_") and theirs[number] == theirs[number - 1])


def stack(told, dump):
    """Ours begins where the CPU was when it failed; crash's with the functions that then started the capture kernel."""
    (crashed,) = [one["stack"]["frames"] for one in scope.report("bt", dump)["stacks"]]
    ours = [(int(frame["pc"]), frame["symbol"]) for frame in crashed if int(frame["pc"]) >> 63]
    theirs = []
    for match in _FRAME.finditer(told):
        address = int(match["frame"] or match["regs"], 16)
        if address >> 63:
            theirs.append((address, match["name"]))
    tail = theirs[-len(ours):]
    if len(ours) < 5 or len(tail) < len(ours) or not all(_same(number, ours, tail) for number in range(len(ours))):
        raise Failure(f"crash: {[(name, hex(pc)) for pc, name in theirs]}; hmemscope: {[(name, hex(pc)) for pc, name in ours]}")


def log(told, dump):
    compare.equal(differences := [], "log", told.splitlines(), scope.text("log", dump).splitlines())
    compare.fail_if(differences, "crash disagrees")


def modules(told, dump):
    theirs = sorted((int(address, 16), name, int(text, 16), int(size)) for address, name, text, size in _MODULE.findall(told))
    ours = sorted((int(one["address"]), one["name"], int(one["text_address"]), int(one["size_bytes"]))
                  for one in scope.report("mods", dump)["modules"])
    if not ours or ours != theirs:
        raise Failure(f"crash: {theirs}; hmemscope: {ours}")


def claim_agreement(claims, captured):
    """Claims about a finished dump of a kernel of ours that is built with DWARF."""
    plan = captured.plan
    vmlinux = own_kernels.kernel(plan.series, plan.profile).debug_vmlinux()
    for form, codec in FORMS:
        made = captured.folder / f"crash.{form}"
        made.unlink(missing_ok=True)
        run_program([paths.program(scope.PRESET, "hmemdump"), "--no-record", "-F", form, "-c", codec, captured.dump, made], timeout=300)
        told = claims.hold(f"crash-{form}-{codec}-opens", _asked, captured.folder, vmlinux, made)
        if told is not None:
            claims.hold(f"crash-{form}-{codec}-stack", stack, told["bt"], captured.dump)
            claims.hold(f"crash-{form}-{codec}-log", log, told["log"], captured.dump)
            claims.hold(f"crash-{form}-{codec}-modules", modules, told["mod"], captured.dump)
        made.unlink()
