# SPDX-License-Identifier: GPL-2.0-or-later
"""The kdump-compressed files that Debian's makedumpfile makes of a dump must tell the same as the dump.

Debian 12 builds makedumpfile with zlib and lzo; zstd and snappy are not in it, so -z and -p cannot be asked for here."""
from . import compare, scope
from .shell import run as run_program

CODECS = {"zlib": "-c", "lzo": "-l"}
# Everything, and everything but free, user, cache and zero pages: what the kernel itself uses stays.
LEVELS = (0, 31)
VERBS = (("bt", "-a"), ("ps",), ("log",), ("mods",))


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
