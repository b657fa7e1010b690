# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose memory has pages of every kind: what guest_files/mix needs, and what it says it has made."""
import pathlib
import re

from . import images, zoo
from .errors import Failure

# Beside the guest's other disks; an xfs, whose page cache has large folios.
DISK = "mix.img"
_SAID = re.compile(r"hmem-guest: MIX ([\w-]+)=(\d+|none: .*)$")


def words(movable_mib):
    """For the kernel's command line. The notifier of page_truth runs before the capture kernel; MOVABLE_MIB of memory can be taken
    offline in blocks of 128 MiB, but for those that the kernel itself or what is reserved lies in; most of what describes a huge
    page is freed, where the kernel can do that."""
    return f"crash_kexec_post_notifiers movablecore={movable_mib}M hugetlb_free_vmemmap=on"


def guest_files(kernel):
    """{place in the guest: file}."""
    return {"usr/sbin/mix": images.FILES / "mix", "usr/sbin/hold": zoo.program("mix/hold"),
            "usr/sbin/page_kinds": zoo.program("mix/page_kinds"), "usr/lib/page_truth.ko": zoo.modules(kernel) / "page_truth.ko"}


def make_disk(path: pathlib.Path):
    images.file_system(path, "xfs", "300M")


def said(lines):
    """({kind: how much of it}, {kind: why there is none}) of the guest's console."""
    found = [match for _, text in lines if (match := _SAID.search(text))]
    if not any("hmem-guest: MIX done" in text for _, text in lines):
        raise Failure("the guest never said that its mix is made")
    counts = {match[1]: int(match[2]) for match in found if match[2].isdigit()}
    return counts, {match[1]: match[2].removeprefix("none: ") for match in found if not match[2].isdigit()}
