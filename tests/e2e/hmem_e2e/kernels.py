# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's own kernels, fetched and unpacked without being installed.

A Kernel has the unpacked linux-image, headers that build modules out of tree (with the image's BTF, so that modules get
split BTF), and on demand the vmlinux of the -dbg package. Everything is kept in the cache by package version."""
import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess

from . import paths
from .errors import Failure
from .shell import run

# Boots fast, and has all a virtual machine needs.
CLOUD = "cloud-amd64"
# What Debian installs on real machines.
GENERIC = "amd64"


@dataclasses.dataclass(frozen=True)
class Kernel:
    series: str
    release: str
    root: pathlib.Path

    @property
    def name(self):
        """Tells builds of one release apart."""
        return self.root.name

    @property
    def vmlinuz(self):
        return self.root / "image" / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self):
        """The unpacked /lib/modules/RELEASE."""
        for place in ("lib", "usr/lib"):
            folder = self.root / "image" / place / "modules" / self.release
            if folder.is_dir():
                return folder
        raise Failure(f"{self.root}: no lib/modules/{self.release}")

    @property
    def headers(self):
        return self.root / "headers" / "usr" / "src" / f"linux-headers-{self.release}"

    def debug_vmlinux(self):
        """vmlinux with DWARF, from the -dbg package (hundreds of MB: fetched only when asked for)."""
        package = f"linux-image-{self.release}-dbg"

        def fill(folder):
            archive = download(package, folder)
            with subprocess.Popen(["dpkg", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as tar:
                run(["tar", "-x", "-C", folder, "--wildcards", "--strip-components=5", "./usr/lib/debug/boot/vmlinux-*"],
                    stdin=tar.stdout)
            archive.unlink()

        folder = paths.cached_folder(f"debug/{package}_{version(package)}", fill)
        return folder / f"vmlinux-{self.release}"


@functools.cache
def _refresh_lists():
    """apt-get update, once a run; only called when the lists at hand turned out not to do."""
    run(["apt-get", "-q", "update"], check=False)


@functools.cache
def version(package):
    """The candidate version of a package, as apt sees it."""
    for refresh in (False, True):
        if refresh:
            _refresh_lists()
        shown = run(["apt-cache", "show", "--no-all-versions", package], check=False).stdout
        found = re.search(r"^Version: (\S+)", shown, re.MULTILINE)
        if found:
            return found.group(1)
    raise Failure(f"apt knows no package {package}")


def download(package, folder):
    """The .deb of the candidate version of a package."""
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{package}={version(package)}"]
    if run(command, cwd=folder, check=False).returncode != 0:
        _refresh_lists()
        run(command, cwd=folder)
    (archive,) = folder.glob(f"{package}_*.deb")
    return archive


def _depends(package):
    text = run(["apt-cache", "show", "--no-all-versions", package]).stdout
    found = re.search(r"^Depends: (.*)$", text, re.MULTILINE)
    return [re.split(r"[ (|]", word.strip())[0] for word in found.group(1).split(",")] if found else []


def _newest(series, flavour):
    """Release of the newest signed kernel of a series, as apt sees it."""
    if series == "6.1":
        for package in _depends(f"linux-image-{flavour}"):
            if re.fullmatch(rf"linux-image-6\.1\..*-{flavour}", package):
                return package.removeprefix("linux-image-")
        raise Failure(f"linux-image-{flavour} depends on no 6.1 kernel here")
    pattern = rf"^linux-image-{re.escape(series)}\.[^-]+-{flavour}$"
    names = [line.split()[0] for line in run(["apt-cache", "search", "--names-only", pattern]).stdout.splitlines()]
    if not names:
        raise Failure(f"apt knows no linux-image-{series}.*-{flavour}")
    return max(names, key=lambda name: [int(n) for n in re.findall(r"\d+", name)]).removeprefix("linux-image-")


def _extract_vmlinux(vmlinuz, target):
    """Unpacks the kernel inside a bzImage (LZ4 or zstd) to an ELF file; it has .BTF but no symbols."""
    image = vmlinuz.read_bytes()
    for magic, command in ((b"\x02\x21\x4c\x18", ["lz4", "-dc"]), (b"\x28\xb5\x2f\xfd", ["zstd", "-dqc"]),
                           (b"\xfd7zXZ\x00", ["xz", "-dc", "--single-stream"])):
        at = image.find(magic)
        while at >= 0:
            # What follows the packed kernel is not part of it, and makes the unpacker complain at the end.
            done = subprocess.run(command, input=image[at:], capture_output=True, check=False)
            if done.stdout.startswith(b"\x7fELF"):
                target.write_bytes(done.stdout)
                return
            at = image.find(magic, at + 1)
    raise Failure(f"{vmlinuz}: no packed kernel found in it")


def _unpack_headers(release, folder):
    """The headers packages refer to each other by absolute path; here by where they are."""
    own = f"linux-headers-{release}"
    packages = [own] + [p for p in _depends(own) if p.startswith(("linux-headers-", "linux-kbuild-"))]
    for package in packages:
        archive = download(package, folder)
        run(["dpkg", "-x", archive, folder])
        archive.unlink()


def _relocate_headers(kernel):
    """Where the folder was moved since; another run may do the same, or build against it, at this moment."""
    makefile = kernel.headers / "Makefile"
    text = makefile.read_text(encoding="ascii")
    source = kernel.root / "headers" / "usr" / "src"
    moved = re.sub(r"^include \S*/usr/src/", f"include {source}/", text, flags=re.MULTILINE)
    if moved != text:
        fresh = makefile.with_name(f"Makefile.{os.getpid()}")
        fresh.write_text(moved, encoding="ascii")
        fresh.replace(makefile)


@functools.cache
def kernel(series, flavour=CLOUD):
    """The newest kernel of a series ("6.1", "6.12")."""
    version(f"linux-image-{flavour}")
    release = _newest(series, flavour)
    package = f"linux-image-{release}"
    name = f"kernels/{package}_{version(package).replace(':', '_')}"

    def fill(folder):
        archive = download(package, folder)
        run(["dpkg", "-x", archive, folder / "image"])
        archive.unlink()
        (folder / "headers").mkdir()
        _unpack_headers(release, folder / "headers")
        made = Kernel(series, release, folder)
        _extract_vmlinux(made.vmlinuz, made.headers / "vmlinux")

    made = Kernel(series, release, paths.cached_folder(name, fill))
    _relocate_headers(made)
    return made


def copy_modules(kernel_, names, target):
    """Copies modules and what they need to `target` (a /lib/modules/RELEASE), with the tables depmod makes."""
    source = kernel_.modules
    target.mkdir(parents=True, exist_ok=True)
    for table in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(source / table, target / table)
    files = {p.name.split(".ko")[0].replace("-", "_"): p for p in source.rglob("*.ko*")}
    wanted, done = list(names), set()
    while wanted:
        name = wanted.pop().replace("-", "_")
        if name in done or name not in files:
            continue
        done.add(name)
        place = target / files[name].relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files[name], place)
        needs = run(["modinfo", "-F", "depends", files[name]]).stdout.strip()
        softly = run(["modinfo", "-F", "softdep", files[name]]).stdout
        wanted += [n for n in needs.split(",") if n] + re.findall(r"pre: (\S+)", softly)
    return done
