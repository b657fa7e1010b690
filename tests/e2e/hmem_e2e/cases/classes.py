# SPDX-License-Identifier: GPL-2.0-or-later
"""The class of every page of a whole dump, against what the kernel itself held of it when it failed."""
import functools
import json
import re

from .. import capture, compare, kept_pages, kernels, mix, page_truth, paths, scope
from ..errors import Failure
from ..page_truth import Bit, PageClass
from ..runner import Case
from ..shell import run as run_program
from ..truth import read_text

# One huge page of 1 GiB. There is a free GiB in one piece for it when the kernel lies where it always does.
GIGANTIC_WORDS = "nokaslr hugepagesz=1G hugepages=1"
GIGANTIC_PAGES = (1 << 30) // page_truth.PAGE
GIGANTIC_ORDER = 18


def _plan(series, words="", memory_mib=1280, movable_mib=640, **kernel):
    # Three blocks of memory are movable and not reserved: a kernel that KASLR puts among them is in two at most.
    return capture.Plan(series, target="raw", target_size="1100M", settings=capture.EVERYTHING, until="reset",
                        memory_mib=memory_mib, crashkernel="192M", mix=1, live=True, words=f"{mix.words(movable_mib)} {words}", **kernel)


# The generic kernel: the cloud one of 6.1 has no memory failure.
PLANS = {
    "6.1": _plan("6.1", GIGANTIC_WORDS, 2560, 384, flavour=kernels.GENERIC),
    "6.12": _plan("6.12", flavour=kernels.GENERIC),
    "own-6.1": _plan("6.1", profile="test"),
}

# What the guest must have made, and at least so much of it.
LEAST = {
    "clean-cache": 2500, "dirty-cache": 2000, "buffers": 2000, "large-cache": 32, "tmpfs": 3000, "tmpfs-thp": 4000, "anon": 9000,
    "thp": 4000, "ksm": 64, "ksm-sharing": 512, "swap-cache": 2000, "zram": 40, "locked": 500, "hugetlb": 8 * 512, "slab": 2000,
    "page-table": 600, "poisoned": 5, "free": 10000, "memcg-pages": 2000, "offline-blocks": 1,
}
# A kernel with few drivers has less of it.
LEAST_OF = {"own-6.1": {"slab": 1000}}
# What the guest poisons: small pages, and hugetlb pages of which only the first is marked.
POISONED, POISONED_HUGETLB = 4, 1
# Anonymous folios of 64 KiB, which the guest does not tell from huge pages.
LARGE_ORDER, LEAST_LARGE = 4, 2000
# Kinds that no kernel of a series makes.
LACKING = {"6.1": {"large"}, "6.12": set()}
# What does not change from when the guest counted it to when it failed: the bit of the truth that means the same.
STEADY = {"hugetlb": Bit.HUGETLB, "ksm": Bit.KSM}
# Of these a dry run of the running kernel must find as many pages, give or take: /proc/kcore has the reservation, too, which
# counts as the kernel's.
LIVE_STEADY = (PageClass.HUGETLB, PageClass.POISONED)
LIVE_CLASSES = (*LIVE_STEADY, PageClass.FREE, PageClass.CACHE, PageClass.PRIVATE_CACHE, PageClass.ANONYMOUS, PageClass.SLAB,
                PageClass.PAGE_TABLE)
LIVE_DRIFT = 0.1
HUGE_PAGE = (2 << 20) // page_truth.PAGE
BLOCK_PAGES = (128 << 20) // page_truth.PAGE


def mixed(name, plan, lines, truth):
    """All the kinds are there, said by the guest and seen by the kernel at the end."""
    counts, none = mix.said(lines)
    differences = [f"{kind}: {counts.get(kind)} of at least {least}" for kind, least in (LEAST | LEAST_OF.get(name, {})).items() if counts.get(kind, 0) < least]
    differences += [f"{kind}: none: {why}" for kind, why in none.items() if kind not in LACKING[plan.series]]
    for kind, bit in STEADY.items():
        compare.equal(differences, f"{kind}, to the kernel", truth.count(bit), counts.get(kind))
    compare.equal(differences, "small pages poisoned", truth.count(Bit.HWPOISON) - truth.count(Bit.HWPOISON | Bit.HUGETLB), POISONED)
    compare.equal(differences, "pages of poisoned hugetlb", truth.count(Bit.HWPOISON_HEAD | Bit.HUGETLB), POISONED_HUGETLB * HUGE_PAGE)
    compare.equal(differences, "pages taken offline", len(truth.not_online()), counts.get("offline-blocks", 0) * BLOCK_PAGES)
    if "large" not in LACKING[plan.series] and truth.count(Bit.ANON, LARGE_ORDER) < LEAST_LARGE:
        differences.append(f"{truth.count(Bit.ANON, LARGE_ORDER)} anonymous pages of folios of order {LARGE_ORDER}")
    compare.equal(differences, "pages of 1 GiB", truth.count(Bit.HUGETLB, GIGANTIC_ORDER),
                  GIGANTIC_PAGES if GIGANTIC_WORDS in plan.words else 0)
    for bit in (Bit.BUDDY, Bit.SLAB, Bit.SWAPCACHE, Bit.PRIVATE, Bit.TABLE, Bit.RESERVED, Bit.ZERO_PAGE, Bit.HWPOISON_HEAD, Bit.TAIL):
        if not truth.count(bit):
            differences.append(f"no page is {bit.name.lower()}")
    compare.fail_if(differences, "mix")


def whole(dump, truth):
    """Nothing is missing from the dump but what must not be touched."""
    found = scope.report("verify", dump)
    differences = []
    for field in ("pages_not_reached", "pages_unreadable"):
        compare.equal(differences, field, int(found[field]), 0)
    compare.equal(differences, "origin.complete", found["origin"]["complete"], True)
    dangerous = sum(truth.classes.count(number) for number in kept_pages.NEVER_KEPT)
    if int(found["pages_excluded"]) > dangerous:
        differences.append(f"{found['pages_excluded']} pages left out, {dangerous} may be")
    compare.fail_if(differences, "verify")


def classified(dump, truth):
    """Every page."""
    lines = page_truth.differences(truth, page_truth.map_of("class_map", dump))
    if lines:
        raise Failure("\n".join(lines))


def live(lines, truth):
    """What a dry run told of the running kernel, a moment before it failed, is what the kernel held when it did."""
    said = [text.partition("hmem-guest: LIVE ")[2] for _, text in lines if "hmem-guest: LIVE " in text]
    # The program that looks is in the picture.
    own = next((int(match[1]) << 10 for line in said if (match := re.search(r" (\d+) KiB of memory at most", line))), None)
    if own is None or not any("dry run: complete: " in line for line in said):
        raise Failure(f"no complete dry run of /proc/kcore: {said}")
    differences = []
    found = {match[1]: int(match[2]) + int(match[3]) for line in said
             if (match := re.match(r".*class ([\w-]+): (\d+) pages read \(.*?\), (\d+) left out", line))}
    for page_class in LIVE_CLASSES:
        name = page_class.name.lower().replace("_", "-")
        there = truth.classes.count(page_class)
        drift = 0 if page_class in LIVE_STEADY else there * LIVE_DRIFT
        if page_class == PageClass.ANONYMOUS:
            drift += own // page_truth.PAGE
        if abs(found.get(name, 0) - there) > drift:
            differences.append(f"{name}: {found.get(name)} pages while it ran, {there} when it failed")
    compare.fail_if(differences, "/proc/kcore")


def as_elf(dump):
    elf = dump.with_name("all.elf")
    elf.unlink(missing_ok=True)
    run_program([paths.program(scope.PRESET, "hmemdump"), "-F", "elf", "-x", "none", "--no-record", dump, elf])
    return elf


def run(name, plan, claims):
    captured = capture.crash(plan, f"classes-{name}")
    iomem = read_text(captured.truth / "iomem")
    truth = claims.hold("truth", page_truth.PageTruth.of, captured.dump, iomem)
    if truth is None:
        return
    (captured.folder / "figures.json").write_text(json.dumps(truth.figures(), indent=1), encoding="ascii")
    claims.hold("mix", mixed, name, plan, captured.lines, truth)
    claims.hold("whole", whole, captured.dump, truth)
    claims.hold("classes", classified, captured.dump, truth)
    claims.hold("live", live, captured.lines, truth)
    # Of Debian 12's makedumpfile: it does not know 6.12 and leaves out what it must not.
    if plan.series == "6.1":
        elf = as_elf(captured.dump)
        kept_pages.claim_agreement(claims, truth, elf)
        elf.unlink()


def cases():
    return [Case(f"classes.{name}", functools.partial(run, name, plan), 120) for name, plan in PLANS.items()]
