# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks and initrds for the guests, made without mounting anything."""
import lzma
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

from . import kernels, own_kernels, paths, zoo
from .errors import Failure
from .shell import run

BUSYBOX = pathlib.Path("/usr/bin/busybox")
FILES = pathlib.Path(__file__).parent / "guest_files"
# What a Debian machine with such disks has loaded or can load.
DISK_MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"]
MODULES = ["virtio_pci", "virtio_blk", "ext4", "xfs", "crc32c_generic", "crc32c_intel", "libcrc32c", "i6300esb", "zram"]


def _cpio_entry(number, name, mode, data=b"", device=(0, 0)):
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def write_cpio(path, files, folders):
    """newc archive of {name: (mode, bytes)} and folders; with /dev/console, which the kernel opens before /init."""
    entries = [(name, stat.S_IFDIR | 0o755, b"", (0, 0)) for name in folders]
    entries.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    entries += [(name, stat.S_IFREG | mode, data, (0, 0)) for name, (mode, data) in files.items()]
    entries.append(("TRAILER!!!", 0, b"", (0, 0)))
    path.write_bytes(b"".join(_cpio_entry(n, *entry) for n, entry in enumerate(entries, 1)))


def _plain_module(file):
    data = file.read_bytes()
    if file.suffix == ".xz":
        return lzma.decompress(data)
    if file.suffix == ".zst":
        return subprocess.run(["zstd", "-dqc"], input=data, capture_output=True, check=True).stdout
    return data


def disk_modules(kernel):
    """What a virtio disk with ext4 needs, as files of an initrd: modules/*.ko, and modules/order in which to load them."""
    with tempfile.TemporaryDirectory() as scratch:
        base = pathlib.Path(scratch) / "lib" / "modules" / kernel.release
        kernels.copy_modules(kernel, DISK_MODULES, base)
        run(["depmod", "-b", scratch, kernel.release])
        files, order = {}, []
        for name in DISK_MODULES:
            shown = run(["modprobe", "-d", scratch, "-S", kernel.release, "--show-depends", name], check=False).stdout
            for file in re.findall(r"^insmod (\S+)", shown, re.MULTILINE):
                plain = pathlib.Path(file).name.split(".ko")[0] + ".ko"
                if plain not in order:
                    order.append(plain)
                    files[f"modules/{plain}"] = (0o644, _plain_module(pathlib.Path(file)))
    files["modules/order"] = (0o644, "".join(f"{name}\n" for name in order).encode())
    return files


def initrd(kernel):
    """The first kernel's: busybox and what the root file system on a virtio disk needs."""
    script = FILES / "initrd-init"

    def fill(folder):
        files = {"init": (0o755, script.read_bytes()), "bin/busybox": (0o755, BUSYBOX.read_bytes()), **disk_modules(kernel)}
        write_cpio(folder / "initrd", files, ["bin", "dev", "modules", "system"])

    key = paths.digest_of(script, BUSYBOX, pathlib.Path(__file__))
    return paths.cached_folder(f"initrd/{kernel.name}-{key}", fill) / "initrd"


def _userland(kernel):
    """The part of the root file system that is the same in every case; cached."""
    script = FILES / "root-init"

    def fill(folder):
        for name in ("bin", "boot", "dev", "etc/hmem", "lib/modules", "proc", "run", "sbin", "sys", "tmp", "truth",
                     "usr/bin", "usr/lib/hmem", "usr/sbin", "var/crash", "var/lib"):
            (folder / name).mkdir(parents=True)
        shutil.copy(BUSYBOX, folder / "bin" / "busybox")
        for applet in run([BUSYBOX, "--list"]).stdout.split():
            if applet not in ("busybox", "init"):
                (folder / "bin" / applet).symlink_to("busybox")
        shutil.copy(script, folder / "sbin" / "init")
        shutil.copy(zoo.program("witness/witness"), folder / "usr" / "sbin" / "witness")
        shutil.copy(zoo.modules(kernel) / "quartz.ko", folder / "usr" / "lib" / "quartz.ko")
        _add_kernel(folder, kernel)
        (folder / "etc" / "machine-id").write_text("5f1c1f0e6b7d4f0c9d9a5f2b8a7e4c31\n", encoding="ascii")
        (folder / "etc" / "hostname").write_text("feldspar\n", encoding="ascii")
        if not isinstance(kernel, own_kernels.OwnKernel):
            shutil.copy(zoo.driver(kernel), _dkms_folder(folder, kernel))
            run(["depmod", "-b", folder, kernel.release])
        for item in ("sbin/init", "usr/sbin/witness"):
            (folder / item).chmod(0o755)

    key = paths.digest_of(script, BUSYBOX, zoo.program("witness/witness"), zoo.modules(kernel) / "quartz.ko", paths.DRIVER,
                          pathlib.Path(__file__), pathlib.Path(kernels.__file__))
    return paths.cached_folder(f"userland/{kernel.name}-{key}", fill)


def prepare(kernel):
    """Everything of a guest that does not depend on our programs."""
    initrd(kernel)
    _userland(kernel)


def _dkms_folder(root, kernel):
    folder = root / "lib" / "modules" / kernel.release / "updates" / "dkms"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _add_kernel(root, kernel):
    """What kdump-arm looks at of a kernel that is not the running one."""
    for name in ("vmlinuz", "config"):
        shutil.copy(kernel.vmlinuz.with_name(f"{name}-{kernel.release}"), root / "boot")
    target = root / "lib" / "modules" / kernel.release
    if isinstance(kernel, own_kernels.OwnKernel):
        # All of them are 3 MB.
        shutil.copytree(kernel.modules, target)
    else:
        kernels.copy_modules(kernel, MODULES, target)
        run(["depmod", "-b", root, kernel.release])


def root_disk(path, kernel, preset, configuration, settings, other_kernel=None, driver=None, files=None):
    """An ext4 root file system with our programs, kdump-arm's configuration and the guest's settings; `other_kernel` is
    installed beside the one that the guest boots, `driver` takes the place of that one's own hmem.ko, and `files` are
    {place: file of the host}, executable."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        root = pathlib.Path(scratch) / "root"
        run(["cp", "-a", "--reflink=auto", _userland(kernel), root])
        root.chmod(0o755)
        if other_kernel:
            _add_kernel(root, other_kernel)
        if driver:
            shutil.copy(driver, _dkms_folder(root, kernel))
        for name, place in (("kdump-arm", "usr/sbin"), ("hmem-init", "usr/lib/hmem"), ("hmemdump", "usr/lib/hmem")):
            # kdump-arm runs before the crash: it has no faults.
            program = paths.program("capture" if name == "kdump-arm" else preset, name)
            if not program.exists():
                raise Failure(f"{program} is not built")
            shutil.copy(program, root / place / name)
        for place, file in (files or {}).items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / place)
            (root / place).chmod(0o755)
        (root / "etc" / "hmem" / "kdump-arm.conf").write_text(configuration, encoding="ascii")
        (root / "etc" / "guest.conf").write_text("".join(f"{k}='{v}'\n" for k, v in settings.items()), encoding="ascii")
        file_system(path, "ext4", "1G", root)


def file_system(path, kind, size, content=None):
    """An empty disk (kind "raw"), or one with a file system."""
    path.unlink(missing_ok=True)
    run(["truncate", "-s", size, path])
    if kind == "ext4":
        command = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,root_owner=0:0"]
        run(command + (["-d", content] if content else []) + [path])
    elif kind == "xfs":
        run(["mkfs.xfs", "-q", "-f", path])
    elif kind != "raw":
        raise ValueError(kind)


def copy_out(disk, folder, target):
    """Copies a folder of an ext4 image to the host; false when it is not there."""
    target.mkdir(parents=True, exist_ok=True)
    # What mounting would do first.
    run(["e2fsck", "-p", "-E", "journal_only", disk], check=False)
    done = run(["debugfs", "-R", f"rdump {folder} {target}", disk], check=False)
    return "File not found" not in done.stderr
