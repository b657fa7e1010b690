# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose memory has pages of every kind: what guest_files/mix needs, and what it says it has made."""
import pathlib
import re

from . import images, zoo
from .errors import Failure

# Beside the guest's other disks; an xfs, whose page cache has large folios.
DISK = "mix.img"
# The notifier of page_truth runs before the capture kernel; a part of memory can be taken offline, whatever lies in the rest; most of
# what describes a huge page is freed, where the kernel can do that.
WORDS = "crash_kexec_post_notifiers movablecore=384M hugetlb_free_vmemmap=on"

_SAID = re.compile(r"hmem-guest: MIX ([\w-]+)=(\d+|none: .*)$")


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
