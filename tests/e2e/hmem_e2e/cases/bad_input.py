# SPDX-License-Identifier: GPL-2.0-or-later
"""Every program with input that is no good: one clear line that names the place, exit 1 or 3, no signal, nothing
overwritten. The good input beside it is a dump of a real crash."""
import contextlib
import hashlib
import os
import random
import re
import shutil
import struct

from .. import capture, paths, peers, scope
from ..errors import Failure, Skip
from ..runner import Case
from ..shell import run as run_program

EM_S390 = 22
VERBS = (["report"], ["report", "--json"], ["log"], ["bt"], ["ps"], ["sys"], ["mods"], ["verify"], ["sym", "init_task"],
         ["print", "struct task_struct", "0x1000"])

NOT_A_DUMP = "not a dump of a known format"
NO_SUCH_ARCHITECTURE = "ELF machine 22, 64-bit, little-endian: not an architecture of this build"
# By input: what the line must say, hmemscope's exit and where it differs by verb, hmemdump's exit. What can still be told of a
# damaged or foreign file is told, with exit 3; None: too little of it is there for this verb to be looked at here.
TABLE = {
    "empty": ("empty", 1, {}, 1),
    "random": (NOT_A_DUMP, 1, {}, 1),
    "text": (NOT_A_DUMP, 1, {}, 1),
    "cut-header": (r"ELF header: .*wanted, 0 left", 1, {}, 1),
    "cut-program-headers": (r"ELF program headers: \d+ at file offset 0x40, the file ends at 0x64", 1, {}, 1),
    "cut-hmem-header": (r"64 bytes wanted, 40 left", 1, {}, 1),
    "cut-memory": (r"the file ends before", None, {"report": 3, "sys": 3, "verify": 3}, 3),
    "cut-hmem": (r"the file is cut inside", None, {"report": 3, "sys": 3, "verify": 3}, 3),
    # All of its pages are there, and verify needs no more than that.
    "wrong-architecture": (NO_SUCH_ARCHITECTURE, 1, {"report": 3, "verify": 0}, 3),
    "missing": ("No such file or directory", 1, {}, 1),
    "directory": ("a directory, not a dump", 1, {}, 1),
    "unreadable": ("read: Input/output error", 1, {}, 1),
}


def _files(folder, elf, dump):
    """Bad inputs by what is wrong with them; each is otherwise good."""
    head = elf.open("rb").read(1 << 20)
    other = bytearray(elf.read_bytes())
    struct.pack_into("<H", other, 18, EM_S390)
    stream = dump.open("rb").read(5 << 20)
    made = {
        "empty": b"",
        "random": random.Random(3).randbytes(256 * 1024),
        "text": b"this is not a dump\n" * 1000,
        "cut-header": head[:40],
        "cut-program-headers": head[:100],
        "cut-memory": head,
        "cut-hmem-header": stream[:40],
        "cut-hmem": stream,
        "wrong-architecture": other,
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


def _ended(name, done, expected):
    """No signal, no sanitizer's report, the exit status as expected."""
    if done.returncode < 0:
        raise Failure(f"{name}: killed by signal {-done.returncode}: {done.stderr[-1000:]}")
    if "Sanitizer" in done.stderr or "runtime error:" in done.stderr:
        raise Failure(f"{name}: {done.stderr[-2000:]}")
    if done.returncode != expected:
        raise Failure(f"{name}: exit {done.returncode}, expected {expected}: {done.stderr[-500:]}")


def _refused(name, done, place, cause):
    """What every refusal looks like: one line on stderr with place and cause, nothing on stdout."""
    _ended(name, done, 1)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    if len(said) != 1:
        raise Failure(f"{name}: {len(said)} lines on stderr, expected 1: {said[:5]}")
    if str(place) not in said[0]:
        raise Failure(f"{name}: {said[0]!r} does not name {place}")
    if not re.search(cause, said[0]):
        raise Failure(f"{name}: {said[0]!r} does not say /{cause}/")
    if done.stdout:
        raise Failure(f"{name}: failed, and printed {done.stdout[:200]!r}")


def _losses(value):
    """Texts of all findings in a JSON answer that are losses or errors."""
    if isinstance(value, list):
        return [text for item in value for text in _losses(item)]
    if not isinstance(value, dict):
        return []
    found = [item["text"] for item in value.get("findings", []) if item["severity"] != "SEVERITY_INFO"]
    return found + [text for item in value.values() for text in _losses(item)]


def _hmemscope(inputs):
    program = paths.program(scope.PRESET, "hmemscope")
    for name, file in inputs.items():
        cause, usual, by_verb, _ = TABLE[name]
        for verb, *words in VERBS:
            expected = by_verb.get(verb, usual)
            if expected is None:
                continue
            done = run_program([program, verb, file, *words], check=False)
            title = f"hmemscope {verb} {' '.join(words)} {name}"
            if expected == 1:
                _refused(title, done, file, cause)
                continue
            _ended(title, done, expected)
            losses = _losses(scope.report(verb, file, exits=(expected,)))
            if expected == 3 and not any(re.search(cause, text) for text in losses):
                raise Failure(f"{title}: exit 3, and no finding says /{cause}/: {losses}")


def _hmemdump_sources(inputs, folder):
    program = paths.program(scope.PRESET, "hmemdump")
    for name, file in inputs.items():
        cause, _, _, expected = TABLE[name]
        target = folder / "refused.hmem"
        done = run_program([program, file, target], check=False)
        left = [*folder.glob("refused.hmem*"), *folder.glob("first-failure.pb*")]
        if expected == 1:
            _refused(f"hmemdump {name}", done, file, cause)
            if left:
                raise Failure(f"hmemdump {name}: failed, and left {[path.name for path in left]}")
            continue
        _ended(f"hmemdump {name}", done, expected)
        if not re.search(cause, done.stderr):
            raise Failure(f"hmemdump {name}: exit {expected}, and stderr does not say /{cause}/: {done.stderr[-500:]}")
        if not target.exists():
            raise Failure(f"hmemdump {name}: exit {expected}, and there is no {target.name}")
        for path in left:
            path.unlink()


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _existing(program, elf, folder):
    """A dump is never overwritten, nor is anything else."""
    target = folder / "kept"
    target.write_bytes(b"someone's only dump\n" * 100)
    before = _digest(target)
    _refused("hmemdump to an existing file", run_program([program, elf, target], check=False), target, "exists")
    if _digest(target) != before:
        raise Failure("hmemdump changed a file that was there")


def _mounted(folder, options):
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0 or run_program(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False).returncode:
        raise Skip("cannot mount a tmpfs here")


def _full(name, done, place):
    """The end of the dump fitted, and it says that pages are missing."""
    _ended(name, done, 3)
    if not any(str(place) in line and re.search("full|space", line) for line in done.stderr.splitlines()):
        raise Failure(f"{name}: stderr does not say that {place} is full: {done.stderr[-500:]}")


def _full_disk(program, elf, folder):
    place = folder / "small"
    _mounted(place, "size=6m")
    try:
        target = place / "dump.hmem"
        done = run_program([program, elf, target], check=False)
        _full("hmemdump to a full disk", done, place)
        left = sorted(place.glob("dump.hmem*"))
        if not left:
            raise Failure("nothing is left of a dump that filled the disk")
        _ended("verify of what fitted", scope.call("verify", left[0]), 3)
    finally:
        run_program(["umount", place])


def _read_only(program, elf, folder):
    place = folder / "fixed"
    _mounted(place, "size=1m,ro")
    try:
        done = run_program([program, elf, place / "dump.hmem"], check=False)
        _refused("hmemdump to a read-only place", done, place, "Read-only file system")
    finally:
        run_program(["umount", place])


@contextlib.contextmanager
def _loop_device(file, size, *options):
    """A blank block device of `size` bytes."""
    file.write_bytes(bytes(size))
    made = run_program(["losetup", "--find", "--show", *options, file], check=False)
    if made.returncode != 0:
        raise Skip(f"no loop devices here: {made.stderr.strip()}")
    try:
        yield made.stdout.strip()
    finally:
        run_program(["losetup", "--detach", made.stdout.strip()])


def _full_device(program, elf, folder):
    with _loop_device(folder / "device", 6 << 20) as device:
        _full("hmemdump to a small device", run_program([program, elf, device], check=False), device)
        _ended("verify of what fitted", scope.call("verify", device), 3)


def _read_only_device(program, elf, folder):
    with _loop_device(folder / "device", 6 << 20, "--read-only") as device:
        _refused("hmemdump to a read-only device", run_program([program, elf, device], check=False), device,
                 "Read-only file system|Operation not permitted|Permission denied|read-only")
    if any((folder / "device").read_bytes()):
        raise Failure("a read-only device was written to")


def _kdump_arm(folder):
    """Configurations that cannot be. `check` touches nothing."""
    program = paths.program(scope.PRESET, "kdump-arm")
    made = {
        "random": (random.Random(4).randbytes(4096), r"line 1|not text"),
        "unknown-key": (b"target = path /var/crash\ncolour = blue\n", r"line 2.*colour"),
        "twice": (b"target = path /var/crash\ntarget = path /srv\n", r"line 2.*target"),
        "relative": (b"target = path var/crash\n", r"line 1.*absolute path"),
        "no-equals": (b"target path /var/crash\n", r"line 1"),
    }
    for name, (data, cause) in made.items():
        file = folder / f"{name}.conf"
        file.write_bytes(data)
        _refused(f"kdump-arm check {name}", run_program([program, "check", "--config", file], check=False), file, cause)
    for name, file, cause in (("missing", folder / "not-there.conf", "No such file"), ("directory", folder, "directory"),
                              ("unreadable", "/proc/self/mem", "Input/output error")):
        _refused(f"kdump-arm check {name}", run_program([program, "check", "--config", file], check=False), file, cause)


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
    plan = capture.Plan("6.1", "sysrq", "root", settings=capture.EVERYTHING)
    captured = capture.crash(plan, "bad-input")
    if captured.dump is None:
        raise Failure(f"no dump to start from; see {captured.folder}/console.log")
    program = paths.program(scope.PRESET, "hmemdump")
    folder = captured.folder / "inputs"
    folder.mkdir()
    elf = captured.folder / "good.elf"
    run_program([program, "-F", "elf", captured.dump, elf], timeout=300)
    inputs = _files(folder, elf, captured.dump)
    claims.hold("hmemscope", _hmemscope, inputs)
    claims.hold("hmemdump-source", _hmemdump_sources, inputs, folder)
    claims.hold("existing-file", _existing, program, elf, folder)
    claims.hold("full-disk", _full_disk, program, elf, folder)
    claims.hold("read-only-target", _read_only, program, elf, folder)
    claims.hold("full-device", _full_device, program, elf, folder)
    claims.hold("read-only-device", _read_only_device, program, elf, folder)
    claims.hold("kdump-arm", _kdump_arm, folder)
    claims.hold("usage", _usage)
    peers.claim_agreement(claims, captured.dump, elf)
    peers.claim_our_formats(claims, captured.dump)
    elf.unlink()
    shutil.rmtree(folder)


def cases():
    return [Case("bad-input", run, 60)]
