# SPDX-License-Identifier: GPL-2.0-or-later
"""Every program with input that is no good: one clear line that names the place, exit 1 or 3, no signal, nothing
overwritten. The good input beside it is a dump of a real crash."""
import hashlib
import os
import random
import struct

from .. import capture, paths, scope
from ..errors import Failure, Skip
from ..runner import Case
from ..shell import run as run_program

VERBS = ("report", "log", "bt", "ps", "sys", "mods", "verify")
EM_S390 = 22


def _files(folder, elf):
    """Bad inputs by what is wrong with them."""
    head = elf.open("rb").read(1 << 20)
    other = bytearray(head)
    struct.pack_into("<H", other, 18, EM_S390)
    made = {
        "empty": b"",
        "random": random.Random(3).randbytes(256 * 1024),
        "text": b"this is not a dump\n" * 1000,
        "cut-header": head[:40],
        "cut-program-headers": head[:100],
        "wrong-architecture": bytes(other),
    }
    found = {}
    for name, data in made.items():
        found[name] = folder / name
        found[name].write_bytes(data)
    found["missing"] = folder / "not-there"
    found["directory"] = folder
    # Readable by its mode, and every read of its first page fails.
    found["unreadable"] = "/proc/self/mem"
    return found


def _refused(name, done, place, exits=(1,)):
    """What every refusal looks like."""
    said = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        raise Failure(f"{name}: killed by signal {-done.returncode}: {done.stderr[-1000:]}")
    if "Sanitizer" in done.stderr or "runtime error:" in done.stderr:
        raise Failure(f"{name}: {done.stderr[-2000:]}")
    if done.returncode not in exits:
        raise Failure(f"{name}: exit {done.returncode}, expected {exits}: {done.stderr[-500:]}")
    if done.returncode == 3:
        return
    if len(said) != 1:
        raise Failure(f"{name}: {len(said)} lines on stderr, expected 1: {said[:5]}")
    for line in said:
        if str(place) not in line:
            raise Failure(f"{name}: {line!r} does not name {place}")


def _hmemscope(inputs):
    program = paths.program(scope.PRESET, "hmemscope")
    for name, file in inputs.items():
        for verb, *words in (*([verb] for verb in VERBS), ["report", "--json"], ["sym", "init_task"]):
            done = run_program([program, verb, file, *words], check=False)
            # What can still be told from a damaged file is told, with exit 3.
            _refused(f"hmemscope {verb} {' '.join(words)} {name}", done, file, exits=(1, 3))


def _hmemdump_sources(inputs, folder):
    program = paths.program(scope.PRESET, "hmemdump")
    for name, file in inputs.items():
        target = folder / "refused.hmem"
        done = run_program([program, file, target], check=False)
        _refused(f"hmemdump {name}", done, file, exits=(1, 3))
        if done.returncode == 1 and target.exists():
            raise Failure(f"hmemdump {name}: failed, and left {target.name}")
        for left in folder.glob("refused.hmem*"):
            left.unlink()
        for left in folder.glob("first-failure.pb*"):
            left.unlink()


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _existing(program, elf, folder):
    """A dump is never overwritten, nor is anything else."""
    target = folder / "kept"
    target.write_bytes(b"someone's only dump\n" * 100)
    before = _digest(target)
    _refused("hmemdump to an existing file", run_program([program, elf, target], check=False), target)
    if _digest(target) != before:
        raise Failure("hmemdump changed a file that was there")


def _mounted(folder, options):
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0 or run_program(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False).returncode:
        raise Skip("cannot mount a tmpfs here")


def _full_disk(program, elf, folder):
    place = folder / "small"
    _mounted(place, "size=6m")
    try:
        target = place / "dump.hmem"
        done = run_program([program, elf, target], check=False)
        _refused("hmemdump to a full disk", done, place, exits=(1, 3))
        if "full" not in done.stderr and "space" not in done.stderr.lower():
            raise Failure(f"hmemdump to a full disk does not say so: {done.stderr[-500:]}")
        left = sorted(place.glob("dump.hmem*"))
        if not left:
            raise Failure("nothing is left of a dump that filled the disk")
        opened = scope.call("verify", left[0])
        if opened.returncode != 3:
            raise Failure(f"verify of what fitted: exit {opened.returncode}: {opened.stderr[-500:]}")
    finally:
        run_program(["umount", place])


def _read_only(program, elf, folder):
    place = folder / "fixed"
    _mounted(place, "size=1m,ro")
    try:
        done = run_program([program, elf, place / "dump.hmem"], check=False)
        _refused("hmemdump to a read-only place", done, place)
    finally:
        run_program(["umount", place])


def _kdump_arm(folder):
    """Configurations that cannot be. `check` touches nothing."""
    program = paths.program(scope.PRESET, "kdump-arm")
    made = {
        "random": random.Random(4).randbytes(4096),
        "unknown-key": b"target = path /var/crash\ncolour = blue\n",
        "twice": b"target = path /var/crash\ntarget = path /srv\n",
        "relative": b"target = path var/crash\n",
        "no-equals": b"target path /var/crash\n",
    }
    for name, data in made.items():
        file = folder / f"{name}.conf"
        file.write_bytes(data)
        _refused(f"kdump-arm check {name}", run_program([program, "check", "--config", file], check=False), file)
    for name, file in (("missing", folder / "not-there.conf"), ("directory", folder), ("unreadable", "/proc/self/mem")):
        _refused(f"kdump-arm check {name}", run_program([program, "check", "--config", file], check=False), file)


def _usage():
    """Words nobody knows: exit 2, the word is named, no manual is printed."""
    for name, words in (("hmemscope", ["report", "/dev/null"]), ("hmemdump", ["/dev/null", "nowhere"]), ("kdump-arm", [])):
        done = run_program([paths.program(scope.PRESET, name), *words, "--no-such-option"], check=False)
        if done.returncode != 2 or "--no-such-option" not in done.stderr or len(done.stderr.splitlines()) > 2:
            raise Failure(f"{name} --no-such-option: exit {done.returncode}: {done.stderr[-500:]}")
    done = run_program([paths.program("capture", "hmem-init"), "anything"], check=False)
    if done.returncode != 2 or len(done.stderr.splitlines()) != 1:
        raise Failure(f"hmem-init outside a capture kernel: exit {done.returncode}: {done.stderr[-500:]}")


def run(claims):
    plan = capture.Plan("6.1", "sysrq", "root")
    captured = capture.crash(plan, "bad-input")
    if captured.dump is None:
        raise Failure(f"no dump to start from; see {captured.folder}/console.log")
    program = paths.program(scope.PRESET, "hmemdump")
    folder = captured.folder / "inputs"
    folder.mkdir()
    elf = captured.folder / "good.elf"
    run_program([program, "-F", "elf", captured.dump, elf], timeout=300)
    inputs = _files(folder, elf)
    inputs["cut-hmem-header"] = folder / "cut-hmem-header"
    inputs["cut-hmem-header"].write_bytes(captured.dump.open("rb").read(40))
    claims.hold("hmemscope", _hmemscope, inputs)
    claims.hold("hmemdump-source", _hmemdump_sources, inputs, folder)
    claims.hold("existing-file", _existing, program, elf, folder)
    claims.hold("full-disk", _full_disk, program, elf, folder)
    claims.hold("read-only-target", _read_only, program, elf, folder)
    claims.hold("kdump-arm", _kdump_arm, folder)
    claims.hold("usage", _usage)
    elf.unlink()


def cases():
    return [Case("bad-input", run, 60)]
