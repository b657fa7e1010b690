# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump-arm fastboot: through systemd from one kernel to the other and back, ten times; at once; and its refusals."""
import json
import pathlib
import re
import shutil
import tempfile

from .. import capture, images, kernels, machine, packages, paths
from ..compare import equal, fail_if
from ..errors import Failure
from ..runner import Case
from ..shell import run
from ..truth import read_text

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


def _root(path, pair):
    """A root file system with Debian's systemd, two kernels with their initrds, and two services that depend on each other."""
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
        (root / "sbin" / "init").symlink_to("/lib/systemd/systemd")
        for kernel in pair:
            shutil.copy(kernel.vmlinuz, root / "boot")
            shutil.copy(images.initrd(kernel), root / "boot" / f"initrd.img-{kernel.release}")
            kernels.copy_modules(kernel, images.MODULES, root / "lib" / "modules" / kernel.release)
        for name in ("stops", "turn"):
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
        (root / "etc" / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n", encoding="ascii")
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
    _root(disks[0], pair)
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


def cases():
    return [Case("fastboot.systemd", run_turns, 140)]
