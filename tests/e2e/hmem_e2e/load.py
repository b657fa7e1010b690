# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose memory is used as a server's is: what guest_files/load needs. For measuring; nothing of it is compared with."""
import os
import pathlib
import shutil
import tempfile

from . import images, zoo

# Beside the guest's other disks: programs, libraries and texts, for the page cache.
DISK = "load.img"
# Of the load, as guest_files/load takes them.
CACHE_SHARE, TMPFS_SHARE = 0.21, 0.09

_SOURCES = ("/usr/bin", "/usr/lib", "/usr/share")


def guest_files():
    """{place in the guest: file}."""
    return {"usr/sbin/load": images.FILES / "load", "usr/sbin/hold": zoo.program("mix/hold")}


def _files():
    """Regular files of the host's, always in the same order, from all of _SOURCES in turn."""
    def walk(top):
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = pathlib.Path(folder) / name
                if path.is_file() and not path.is_symlink():
                    yield path

    walks = [walk(source) for source in _SOURCES]
    while walks:
        for one in list(walks):
            path = next(one, None)
            if path is None:
                walks.remove(one)
            else:
                yield path


def make_disk(path, load_mib):
    """An ext4 with as much as is to be read of it, and what does not fit into the last files."""
    left = int(load_mib * (CACHE_SHARE + TMPFS_SHARE)) << 20
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        for number, file in enumerate(_files()):
            if left <= 0:
                break
            folder = pathlib.Path(scratch) / f"{number // 500}"
            folder.mkdir(exist_ok=True)
            shutil.copyfile(file, folder / f"{number}")
            left -= file.stat().st_size
        images.file_system(path, "ext4", "3G", scratch)
