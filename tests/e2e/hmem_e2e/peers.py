# SPDX-License-Identifier: GPL-2.0-or-later
"""The kdump-compressed files that Debian's makedumpfile makes of a dump must tell the same as the dump, and it must read what
hmemdump makes.

Debian 12 builds makedumpfile with zlib and lzo; zstd and snappy are not in it, so -z and -p cannot be asked for here."""
import filecmp

from . import compare, paths, scope
from .errors import Failure
from .shell import run as run_program

CODECS = {"zlib": "-c", "lzo": "-l"}
# Everything, and everything but free, user, cache and zero pages: what the kernel itself uses stays.
LEVELS = (0, 31)
VERBS = (("bt", "-a"), ("ps",), ("log",), ("mods",))
# Of ours: all codecs, and those that makedumpfile reads.
OUR_CODECS = ("zlib", "lzo", "snappy", "zstd", "none")
ITS_CODECS = ("zlib", "lzo", "none")


def _without_origin(verb, file, *words):
    """What is told; of the form that the file has are `origin` and findings that are no loss."""
    answer = scope.report(verb, file, *words)
    del answer["origin"]
    answer["findings"] = [finding for finding in answer["findings"] if finding["severity"] != "SEVERITY_INFO"]
    return answer


def claim_agreement(claims, dump, elf):
    """`elf` is the ELF form of `dump`."""
    expected = {verb: _without_origin(verb, dump, *words) for verb, *words in VERBS}

    def agrees(option, level):
        made = elf.with_name(f"makedumpfile{option}{level}")
        made.unlink(missing_ok=True)
        run_program(["makedumpfile", option, "-d", level, elf, made])
        differences = []
        compare.equal(differences, "format", scope.report("sys", made)["origin"]["format"], "kdump")
        for verb, *words in VERBS:
            found = _without_origin(verb, made, *words)
            differences += [f"{verb}: {key} differs" for key in sorted(expected[verb].keys() | found.keys())
                            if found.get(key) != expected[verb].get(key)]
        compare.equal(differences, "sys: kernel", scope.report("sys", made)["kernel"], scope.report("sys", dump)["kernel"])
        excluded = int(scope.report("verify", made)["pages_excluded"])
        if (excluded > 0) != (level > 0):
            differences.append(f"verify: {excluded} pages excluded at -d {level}")
        compare.fail_if(differences, f"makedumpfile {option} -d {level}")
        made.unlink()

    for codec, option in CODECS.items():
        for level in LEVELS:
            claims.hold(f"makedumpfile-{codec}-{level}", agrees, option, level)


def _differences(dump, made):
    expected = {verb: _without_origin(verb, dump, *words) for verb, *words in VERBS}
    found = {verb: _without_origin(verb, made, *words) for verb, *words in VERBS}
    return [f"{verb}: {key} differs" for verb, answer in expected.items()
            for key in sorted(answer.keys() | found[verb].keys()) if answer.get(key) != found[verb].get(key)]


def claim_our_formats(claims, dump):
    """What hmemdump makes of `dump` in every other format tells the same, and makedumpfile makes of it what it makes of its
    own."""
    program = paths.program(scope.PRESET, "hmemdump")
    folder = dump.parent

    def make(name, *options):
        made = folder / name
        made.unlink(missing_ok=True)
        run_program([program, "--no-record", *options, dump, made], timeout=300)
        return made

    def codec(name):
        made = make(f"ours-{name}.kdump", "-F", "kdump", "-c", name)
        compare.fail_if(_differences(dump, made), f"hmemdump -F kdump -c {name}")
        if name in ITS_CODECS:
            again = folder / f"refiltered-{name}"
            again.unlink(missing_ok=True)
            run_program(["makedumpfile", "-l", "-d", 0, made, again])
            compare.fail_if(_differences(dump, again), f"makedumpfile -l -d 0 of hmemdump -F kdump -c {name}")
            again.unlink()
        made.unlink()

    def flattened():
        plain, flat = make("ours.kdump", "-F", "kdump"), make("ours.flat", "-F", "flat")
        compare.fail_if(_differences(dump, flat), "hmemdump -F flat")
        rearranged = folder / "rearranged"
        rearranged.unlink(missing_ok=True)
        with open(flat, "rb") as stream:
            run_program(["makedumpfile", "-R", rearranged], stdin=stream)
        if not filecmp.cmp(plain, rearranged, shallow=False):
            raise Failure("makedumpfile -R of -F flat is not what -F kdump makes")
        for made in (plain, flat, rearranged):
            made.unlink()

    def split():
        plain = make("ours.kdump", "-F", "kdump")
        parts = [folder / f"part{number}" for number in range(3)]
        for part in parts:
            part.unlink(missing_ok=True)
        run_program(["makedumpfile", "--split", "-l", "-d", 0, plain, *parts])
        compare.fail_if(_differences(dump, ",".join(map(str, reversed(parts)))), "makedumpfile --split of hmemdump -F kdump")
        for made in (plain, *parts):
            made.unlink()

    for name in OUR_CODECS:
        claims.hold(f"kdump-{name}", codec, name)
    claims.hold("flattened", flattened)
    claims.hold("split", split)
