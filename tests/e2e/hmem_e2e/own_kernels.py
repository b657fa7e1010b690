# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels of ours: Debian's source, the patches of kernel/RELEASE, the fragments of capture-kernel/config.

The source tree and its build folders stay in build/kernel/, so that a changed patch compiles what it touches; the result is
kept in the cache by all that it was made from, and looks like the unpacked packages of a Debian kernel."""
import dataclasses
import functools
import os
import re
import shutil
import subprocess

from . import kernel_config, kernel_series, kernels, paths
from .errors import Failure
from .shell import run

COMPILER = "gcc-12"
COMPILE_TIMEOUT = 3 * 3600
# Whoever builds it gets the same version text.
REPRODUCIBLE = {"KBUILD_BUILD_TIMESTAMP": "1970-01-01", "KBUILD_BUILD_USER": "hmem", "KBUILD_BUILD_HOST": "hmem",
                "LOCALVERSION": ""}


@dataclasses.dataclass(frozen=True)
class OwnKernel(kernels.Kernel):
    profile: str

    def debug_vmlinux(self):
        """vmlinux with DWARF, where the profile has it."""
        file = self.root / f"vmlinux-{self.release}"
        if not file.exists():
            raise Failure(f"the profile {self.profile} is built without debug information")
        return file


def series_folder(series):
    folder = paths.ROOT / "kernel" / series
    if not (folder / "series").exists():
        there = sorted(p.parent.name for p in folder.parent.glob("*/series"))
        raise Failure(f"no patched kernel {series}; there are: {' '.join(there)}")
    return folder


def _unpack(package, tree):
    """The source of the package, without installing it."""
    partial = tree.with_name(tree.name + ".partial")
    for folder in (tree, partial):
        shutil.rmtree(folder, ignore_errors=True)
    partial.mkdir(parents=True)
    archive = kernels.download(package, partial)
    with subprocess.Popen(["dpkg", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as whole, \
            subprocess.Popen(["tar", "-xO", f"./usr/src/{package}.tar.xz"], stdin=whole.stdout, stdout=subprocess.PIPE) as packed:
        run(["tar", "-xJ", "--strip-components=1", "-C", partial], stdin=packed.stdout)
    archive.unlink()
    partial.rename(tree)


def locked(series):
    """Whoever works in the source tree of a series or in its build folders holds this."""
    return paths.locked(f"kernel-source-{series}-{paths.digest_of(paths.BUILD.resolve().as_posix())}")


def source_tree(series):
    """The patched tree; only what changed since the last time is done again. The caller holds the lock."""
    package = f"linux-source-{series}"
    tree = paths.BUILD / "kernel" / series / "source"
    folder = series_folder(series)
    stamp = tree / ".hmem-source"
    version, patched = kernels.version(package), kernel_series.digest(folder)
    there = stamp.read_text(encoding="ascii").split() if stamp.exists() else ["", ""]
    if there[0] != version:
        _unpack(package, tree)
    if there != [version, patched]:
        stamp.write_text(f"{version} unpatched\n", encoding="ascii")
        kernel_series.apply(tree, folder)
        stamp.write_text(f"{version} {patched}\n", encoding="ascii")
    return tree


class Builder:
    """make in one build folder of a tree. The caller holds the lock."""

    def __init__(self, tree, profile):
        self.tree = tree
        # Below the tree kbuild refers to the source as "..", and ccache finds the objects again in another clone.
        self.objects = tree / f"build-{profile}"
        self.objects.mkdir(exist_ok=True)
        self.log = tree.parent / f"{profile}.log"
        self.log.unlink(missing_ok=True)
        self.environment = os.environ | REPRODUCIBLE | {
            "CCACHE_DIR": str(paths.cache() / "ccache"), "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}

    def make(self, *words):
        """Returns what make and the compiler said."""
        jobs = os.environ.get("HMEM_JOBS") or os.cpu_count()
        command = ["nice", "make", "-s", f"-j{jobs}", "-C", self.tree, f"O={self.objects.name}", f"CC=ccache {COMPILER}",
                   f"HOSTCC=ccache {COMPILER}", *words]
        with open(self.log, "a", encoding="utf-8") as log:
            before = log.tell()
            done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env=self.environment, timeout=COMPILE_TIMEOUT, check=False)
        said = self.log.read_bytes()[before:].decode("utf-8", "replace")
        if done.returncode != 0:
            tail = said.strip().splitlines()[-15:]
            raise Failure(f"make {' '.join(map(str, words))}: exit {done.returncode}, the whole log is {self.log}: "
                          + "\n".join(tail))
        return said

    def configure(self, options):
        wanted = self.objects / "hmem.config"
        wanted.write_text(kernel_config.as_text(options), encoding="ascii")
        final, before = self.objects / ".config", self.objects / ".config.before"
        before.unlink(missing_ok=True)
        if final.exists():
            final.rename(before)
        self.make(f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig")
        kernel_config.claim_all_there(options, final.read_text(encoding="utf-8"), self.tree)
        if before.exists() and before.read_bytes() == final.read_bytes():
            # With its old time, or everything that reads it is made again.
            before.rename(final)

    def release(self):
        return (self.objects / "include" / "config" / "kernel.release").read_text(encoding="ascii").strip()


def _install_headers(builder, target):
    """What modules are built with, as Debian's headers package has it (scripts/package/builddeb)."""
    target.mkdir(parents=True)
    find = ("find . arch/x86 -maxdepth 1 -name 'Makefile*'; find include scripts -type f -o -type l; "
            "find arch/x86 -name Kbuild.platforms -o -name Platform; "
            "find $(find arch/x86 \\( -name include -o -name scripts \\) -type d) -type f")
    made = "echo tools/objtool/objtool; find arch/x86/include Module.symvers include scripts -type f"
    for folder, names in ((builder.tree, find), (builder.objects, made)):
        run(["bash", "-c", f"set -o pipefail; {{ {names}; }} | tar -c -T - | tar -x -C {target}"], cwd=folder)
    shutil.copy(builder.objects / ".config", target)
    # As in Debian's, modules get the kernel's compiler whatever the machine's default is.
    makefile = target / "Makefile"
    text, count = re.subn(r"^CC(\s*)= \$\(CROSS_COMPILE\)gcc$", rf"CC\1= {COMPILER}", makefile.read_text(encoding="utf-8"),
                          flags=re.MULTILINE)
    if count != 1:
        raise Failure(f"{makefile}: {count} lines set the compiler")
    makefile.write_text(text, encoding="utf-8")
    # Modules get split BTF on this one's.
    run(["strip", "--strip-debug", "-o", target / "vmlinux", builder.objects / "vmlinux"])


def _install(builder, root):
    release = builder.release()
    boot = root / "image" / "boot"
    boot.mkdir(parents=True)
    for made, name in (("arch/x86/boot/bzImage", "vmlinuz"), (".config", "config"), ("System.map", "System.map")):
        shutil.copy(builder.objects / made, boot / f"{name}-{release}")
    builder.make(f"INSTALL_MOD_PATH={root / 'image'}", "INSTALL_MOD_STRIP=1", "DEPMOD=true", "modules_install")
    modules = root / "image" / "lib" / "modules" / release
    for link in ("build", "source"):
        (modules / link).unlink(missing_ok=True)
    run(["depmod", "-b", root / "image", release])
    _install_headers(builder, root / "headers" / "usr" / "src" / f"linux-headers-{release}")
    if "CONFIG_DEBUG_INFO=y\n" in (builder.objects / ".config").read_text(encoding="utf-8"):
        run(["objcopy", "--remove-relocations=*", "--compress-debug-sections=zlib", builder.objects / "vmlinux", root / f"vmlinux-{release}"])
    (root / "release").write_text(release, encoding="ascii")


@functools.cache
def kernel(series, profile):
    """The kernel of a profile ("capture", "test"), built when it is not in the cache."""
    folder = series_folder(series)
    options = kernel_config.merge(kernel_config.fragments(profile, folder))
    here = paths.ROOT / "tests" / "e2e" / "hmem_e2e" / "own_kernels.py"
    key = paths.digest_of(kernels.version(f"linux-source-{series}"), kernel_series.digest(folder),
                          kernel_config.as_text(options), run([COMPILER, "-dumpfullversion"]).stdout, here)

    def fill(root):
        with locked(series):
            builder = Builder(source_tree(series), profile)
            builder.configure(options)
            builder.make("all")
            _install(builder, root)

    root = paths.cached_folder(f"kernels-own/{series}-{profile}-{key}", fill)
    return OwnKernel(series, (root / "release").read_text(encoding="ascii"), root, profile)
