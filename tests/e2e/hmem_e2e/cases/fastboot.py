# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump-arm fastboot: through systemd from one kernel to the other and back, ten times; at once; and its refusals."""
import json
import pathlib
import re
import shutil
import struct
import tempfile

from .. import capture, images, kernels, machine, packages, paths
from ..compare import equal, fail_if
from ..errors import Failure
from ..runner import Case
from ..shell import run
from ..truth import read_text
from . import arming

TURNS = 10
SERIES = ("6.1", "6.12")
FILES = images.FILES / "fastboot"
# What systemd depends on and no program of this guest runs or is linked with.
UNUSED = ("cdebconf", "debconf", "dmsetup", "dpkg", "gcc-12-base", "install-info", "libaudit-common", "libbz2-1.0",
          "libdebian-installer4", "libmd0", "libnewt0.52", "libreadline8", "libslang2", "libtextwrap1",
          "readline-common", "tar")
# Services that would only take time: nobody logs in, there is no hardware database, the clock and random seed are not kept.
MASKED = ("systemd-binfmt.service", "systemd-firstboot.service", "systemd-journal-flush.service", "systemd-logind.service",
          "systemd-machine-id-commit.service", "systemd-modules-load.service", "systemd-pcrphase.service",
          "systemd-pcrphase-sysinit.service", "systemd-random-seed.service", "systemd-repart.service", "systemd-sysusers.service",
          "systemd-tmpfiles-setup.service", "systemd-tmpfiles-setup-dev.service", "systemd-update-utmp.service",
          "systemd-update-utmp-runlevel.service", "systemd-user-sessions.service", "getty.target", "kmod-static-nodes.service",
          "proc-sys-fs-binfmt_misc.automount", "systemd-ask-password-console.path", "systemd-ask-password-wall.path",
          "cryptsetup.target", "integritysetup.target", "veritysetup.target", "systemd-tmpfiles-clean.timer",
          "systemd-initctl.socket", "systemd-journald-audit.socket", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount",
          "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount")
# What only takes time under emulation is left out. One CPU: two take a third longer here; `now` has two.
COMMAND_LINE = "console=ttyS0 root=/dev/vda rw quiet panic=10 mitigations=off audit=0 apparmor=0"


def _without_signature(image):
    """A kernel image whose PE header names no certificates (directory 4 of PE32+)."""
    data = bytearray(image)
    (pe,) = struct.unpack_from("<I", data, 0x3c)
    struct.pack_into("<II", data, pe + 24 + 112 + 4 * 8, 0, 0)
    return bytes(data)


def _root(path, pair, init):
    """A root file system with Debian's systemd, two kernels with their initrds, and two services that depend on each other.
    `init` is its first process."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        root = pathlib.Path(scratch) / "root"
        run(["cp", "-a", "--reflink=auto", packages.unpacked("systemd", UNUSED), root])
        root.chmod(0o755)
        for name in ("boot", "dev", "proc", "run", "srv", "sys", "tmp", "usr/sbin", "var/lib", "var/log"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name in ("doc", "man", "locale"):
            shutil.rmtree(root / "usr" / "share" / name)
        shutil.copy(images.BUSYBOX, root / "bin" / "busybox")
        for applet in run([images.BUSYBOX, "--list"]).stdout.split():
            if not any((root / folder / applet).exists() for folder in ("bin", "sbin", "usr/bin", "usr/sbin")):
                (root / "bin" / applet).symlink_to("busybox")
        (root / "sbin" / "init").symlink_to(init)
        for kernel in pair:
            shutil.copy(kernel.vmlinuz, root / "boot")
            shutil.copy(images.initrd(kernel), root / "boot" / f"initrd.img-{kernel.release}")
            kernels.copy_modules(kernel, images.MODULES, root / "lib" / "modules" / kernel.release)
        (root / "boot" / "vmlinuz-unsigned").write_bytes(_without_signature(pair[1].vmlinuz.read_bytes()))
        for name in ("stops", "turn", "now-init"):
            shutil.copy(FILES / name, root / "usr" / "sbin")
            (root / "usr" / "sbin" / name).chmod(0o755)
        shutil.copy(paths.program("capture", "kdump-arm"), root / "usr" / "sbin")
        units = root / "etc" / "systemd" / "system"
        (units / "multi-user.target.wants").mkdir(parents=True, exist_ok=True)
        for unit in FILES.glob("*.service"):
            shutil.copy(unit, units)
        (units / "multi-user.target.wants" / "turn.service").symlink_to("../turn.service")
        (units / "default.target").unlink(missing_ok=True)
        (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
        for unit in MASKED:
            (units / unit).unlink(missing_ok=True)
            (units / unit).symlink_to("/dev/null")
        (root / "etc" / "machine-id").write_text("5f1c1f0e6b7d4f0c9d9a5f2b8a7e4c31\n", encoding="ascii")
        (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", encoding="ascii")
        (root / "etc" / "group").write_text("root:x:0:\n", encoding="ascii")
        (root / "etc" / "guest.conf").write_text(
            f"FIRST={pair[0].release}\nSECOND={pair[1].release}\nTURNS={TURNS}\n", encoding="ascii")
        (root / "var" / "lib" / "turn").write_text("-1\n", encoding="ascii")
        images.file_system(path, "ext4", "1G", root)


def _ten_turns(folder, pair, disks):
    """Boots once. QEMU ends when the firmware would come up again (-no-reboot), so there is none of it between the kernels."""
    with machine.Machine(folder, pair[0].vmlinuz, images.initrd(pair[0]), COMMAND_LINE,
                         [machine.plain_drive(disk) for disk in disks], cpus=1, extra=["-no-reboot"]) as guest:
        at = 0
        for turn in range(TURNS + 1):
            at, _ = guest.wait(rf"hmem-guest: turn {turn} {re.escape(pair[turn % 2].release)}", capture.BOOT_TIMEOUT, at)
        guest.wait(r"hmem-guest: done", capture.BOOT_TIMEOUT, at)
        guest.wait_end(capture.BOOT_TIMEOUT)
        return list(guest.lines)


def run_turns(claims):
    """From kernel to kernel, through systemd."""
    folder = paths.RUNS / "fastboot-systemd"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pair = [kernels.kernel(series) for series in SERIES]
    disks = [folder / "root.img", folder / "srv.img"]
    _root(disks[0], pair, "/lib/systemd/systemd")
    images.file_system(disks[1], "ext4", "64M")
    lines = claims.hold("ten-in-a-row", _ten_turns, folder, pair, disks)
    if lines is None:
        return
    claims.hold("clean-at-the-end", _clean, disks)
    images.copy_out(disks[0], "/var/log", folder / "out")
    images.copy_out(disks[1], "/", folder / "out" / "srv")
    log = folder / "out" / "log"
    claims.hold("stopped-in-order", _stopped_in_order, log, folder / "out" / "srv")
    claims.hold("clean-every-time", _clean_every_time, log)
    claims.hold("command-line-does-not-grow", _command_lines, log)
    claims.hold("status", _status, log, pair)
    claims.hold("nothing-loaded", _nothing_loaded, log, lines)
    for disk in disks:
        disk.unlink()


def _clean(disks):
    for disk in disks:
        state = run(["dumpe2fs", "-h", disk]).stdout
        if not re.search(r"^Filesystem state: +clean$", state, re.MULTILINE) or "needs_recovery" in state:
            raise Failure(f"{disk}: {state}")
        # Not only the flag: all of it.
        run(["e2fsck", "-fn", disk])


def _stopped_in_order(log, srv):
    expected = []
    for turn in range(TURNS + 1):
        expected += [f"{turn} {line}" for line in ("lower start", "upper start", "upper stop", "upper stopped", "lower stop",
                                                   "lower stopped")]
    found = read_text(log / "stops").splitlines()
    if found != expected:
        raise Failure(f"the services started and stopped as {found}")
    ids = [read_text(log / f"turn.{turn}.boot_id") for turn in range(TURNS + 1)]
    equal(differences := [], "boot ids", len(set(ids)), TURNS + 1)
    # Written by the last service while it stopped, to the file system that is unmounted behind it.
    for turn, boot_id in enumerate(ids):
        equal(differences, f"what was written at the end of turn {turn}", read_text(srv / f"boot_id.{turn}"), boot_id)
    fail_if(differences, "stops")


def _clean_every_time(log):
    differences = []
    for turn in range(TURNS + 1):
        said = read_text(log / f"turn.{turn}.dmesg")
        mounted = re.findall(r"EXT4-fs \((vd[ab])\): mounted filesystem", said)
        equal(differences, f"turn {turn}: mounts", sorted(set(mounted)), ["vda", "vdb"])
        for line in re.findall(r"^.*EXT4-fs.*(?:recover|orphan|error|warning).*$", said, re.MULTILINE):
            differences.append(f"turn {turn}: {line}")
    fail_if(differences, "file systems")


def _command_lines(log):
    differences = []
    for turn in range(TURNS + 1):
        words = COMMAND_LINE + (" panic=20" if turn else "")
        equal(differences, f"turn {turn}", read_text(log / f"turn.{turn}.cmdline").strip(), words)
    fail_if(differences, "command lines")


def _status(log, pair):
    differences = []
    for turn in range(TURNS):
        status = json.loads(read_text(log / f"turn.{turn}.status"))
        release = pair[(turn + 1) % 2].release
        equal(differences, f"turn {turn}: loaded", status["loaded"], True)
        equal(differences, f"turn {turn}: kernel", status["loading"]["kernel_release"], release)
        equal(differences, f"turn {turn}: initrd", status["loading"]["initrd_path"], f"/boot/initrd.img-{release}")
        said = read_text(log / f"turn.{turn}.out")
        if not re.match(rf"loaded: {re.escape(release)} .*\nkdump-arm: systemd stops services, unmounts, and starts the loaded ",
                        said):
            differences.append(f"turn {turn}: kdump-arm said {said!r}")
    fail_if(differences, "status")


def _nothing_loaded(log, lines):
    if not any("hmem-guest: exec without a kernel: exit 1" in text for _, text in lines):
        raise Failure("fastboot exec did not fail without a loaded kernel")
    said = read_text(log / f"turn.{TURNS}.out")
    if said != "kdump-arm: no kernel to reboot into is loaded: run kdump-arm fastboot load first\n":
        raise Failure(f"fastboot exec without a loaded kernel said {said!r}")


def _at_once(folder, pair, disk):
    with machine.Machine(folder, pair[0].vmlinuz, images.initrd(pair[0]), "console=ttyS0 root=/dev/vda rw panic=10",
                         [machine.plain_drive(disk)], extra=["-no-reboot"]) as guest:
        at, _ = guest.wait(rf"hmem-guest: up {re.escape(pair[0].release)}", capture.BOOT_TIMEOUT)
        at, _ = guest.wait(rf"hmem-guest: up {re.escape(pair[1].release)}", capture.BOOT_TIMEOUT, at)
        guest.wait(r"hmem-guest: done", capture.BOOT_TIMEOUT, at)
        guest.wait_end(capture.BOOT_TIMEOUT)
        return list(guest.lines)


def _started(truth, lines):
    differences = []
    equal(differences, "command line", read_text(truth / "cmdline").strip(), "console=ttyS0 root=/dev/vda rw panic=10 now=yes")
    if read_text(truth / "boot_id") == read_text(truth / "second_boot_id"):
        differences.append("one boot id before and after")
    # Written back, though nothing was unmounted.
    equal(differences, "dirty data", read_text(truth / "dirty.found"), read_text(truth / "dirty.sum"))
    if not re.search(r"EXT4-fs \(vda\): recovery complete", read_text(truth / "dmesg")):
        differences.append("the file system was unmounted before --now")
    if not any(re.search(r"kdump-arm: starting the loaded kernel now: .* no file system is unmounted", text)
               for _, text in lines):
        differences.append("exec --now did not warn")
    fail_if(differences, "exec --now")


def _verbs(truth, lines):
    """load, status, unload; and that nothing was loaded or unloaded besides."""
    answers = arming.Answers(truth)
    answers.exits("status", 1, pattern=r"^not loaded: a reboot goes through the firmware$")
    answers.exits("first", 0, pattern=r"^loaded: \S+ \(/elsewhere\), initrd /boot/initrd\.img-.* first=yes$")
    answers.exits("unload", 0, pattern=r"^unloaded$")
    answers.exits("second", 0, pattern=r"now=yes$")
    answers.exits("loaded", 0, pattern=r"^command line: console=ttyS0 root=/dev/vda rw panic=10 now=yes$")
    answers.exits("signed", 0, pattern=r"^loaded: ")
    for name in ("status", "first", "unload", "second", "loaded", "signed"):
        answers.silent(name)
    said = [text for _, text in lines]
    for state in ("after refusals: loaded 0", "after exec: loaded 1", "after unload: loaded 0",
                  "after lockdown: loaded 1"):
        if not any(text.endswith(f"hmem-guest: {state}") for text in said):
            answers.differences.append(f"not \"{state}\"")
    fail_if(answers.differences, "verbs")


def _refusals(truth, pair):
    answers = arming.Answers(truth)
    release = re.escape(pair[1].release)
    for name, pattern in {
            "nothing": r"no kernel to reboot into is loaded: run kdump-arm fastboot load first",
            "nothing-now": r"no kernel to reboot into is loaded: run kdump-arm fastboot load first",
            "no-initrd": rf"{release} has no initrd: none of /boot/initrd\.img-{release}, .*--initrd.*--no-initrd",
            "wrong-initrd": r"/nowhere: No such file or directory: name one with --initrd",
            "short": r"/boot/short: 14 bytes are too few for a bzImage: name one with --kernel",
            "no-kernel": r"/bin/busybox: not an x86 bzImage: name one with --kernel",
            "long": r"\d+ bytes, \S+ takes 2046: give a shorter one with --command-line",
            "nobody": r"this process does not have CAP_SYS_BOOT",
            "orderly": r"the first process is \S+ and not systemd; .*kdump-arm fastboot exec --now",
            "unsigned": rf"the kernel is locked down \(integrity\) and {release} is not signed: .* with --kernel",
            # Debian's key comes with Secure Boot, from the firmware.
            "untrusted": r"kexec_file_load \(.*or lockdown and no key for the signature",
            "disabled": r"kernel\.kexec_load_disabled is set"}.items():
        answers.exits(name, 1, "err")
        answers.one_line(name, pattern)
    answers.exits("contradiction", 2, "err", r"--append excludes --command-line\nTry kdump-arm --help")
    answers.exits("disabled-unload", 1, "err", r"kexec_file_load \(.*kernel\.kexec_load_disabled")
    fail_if(answers.differences, "refusals")


def run_now(claims):
    """Without systemd: refusals, and a start at once."""
    folder = paths.RUNS / "fastboot-now"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pair = [kernels.kernel(series) for series in SERIES]
    disk = folder / "root.img"
    _root(disk, pair, "/usr/sbin/now-init")
    lines = claims.hold("from-kernel-to-kernel", _at_once, folder, pair, disk)
    if lines is None:
        return
    images.copy_out(disk, "/truth", folder / "out")
    truth = folder / "out" / "truth"
    claims.hold("started", _started, truth, lines)
    claims.hold("verbs", _verbs, truth, lines)
    claims.hold("refusals", _refusals, truth, pair)
    disk.unlink()


def cases():
    return [Case("fastboot.systemd", run_turns, 140), Case("fastboot.now", run_now, 40)]
