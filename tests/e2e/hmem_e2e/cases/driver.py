# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver in the kernel's tree: its KUnit tests in the booted kernel, and what checkpatch, gcc and sparse say of it."""
import re

from .. import kernel_config, kernel_series, machine, own_kernels, paths
from ..errors import Failure
from ..runner import Case
from ..shell import run

SERIES = "6.1"
SUITE = "hmem"
# A new file that an entry of MAINTAINERS covers already, or that is added by the same patch, is reported all the same.
IGNORED = "FILE_PATH_CHANGES"


def kunit(claims):
    """Every test that the suite announces has passed, in a kernel that was booted for nothing else."""
    folder = paths.RUNS / f"driver-kunit-{SERIES}"
    folder.mkdir(parents=True, exist_ok=True)
    kernel = own_kernels.kernel(SERIES, "test")
    with machine.Machine(folder, kernel.vmlinuz, None, "console=ttyS0 panic=1 kunit.enable=1", [], extra=["-no-reboot"]) as guest:
        start, _ = guest.wait(rf"# Subtest: {SUITE}$", 180)
        _, planned = guest.wait(r"1\.\.(\d+)$", 30, start)
        end, verdict = guest.wait(rf"\] (not ok|ok) \d+ {SUITE}$", 120, start)
        lines = [text for _, text in guest.lines[start:end + 1]]
    results = [match.groups() for text in lines if (match := re.search(rf"\]\s+(not ok|ok) \d+ {SUITE}_test_(\w+)", text))]

    def passed():
        if bad := [name for state, name in results if state != "ok"]:
            raise Failure(f"failed: {' '.join(bad)}; see {folder}/console.log")
        if len(results) != int(planned.group(1)) or verdict.group(1) != "ok":
            raise Failure(f"{len(results)} results of {planned.group(1)} tests, {verdict.group(1)}")

    claims.hold("all-passed", passed)


def _checkpatch(tree, patches):
    said = []
    for patch in patches:
        # A file that git knows is taken for a source file, so it goes in another way.
        with open(patch, "rb") as text:
            done = run([tree / "scripts" / "checkpatch.pl", f"--root={tree}", "--strict", "--ignore", IGNORED, "--show-types",
                        "--terse", "--no-summary", "-"], check=False, stdin=text)
        # On stderr it regrets what it has no Python packages for.
        if done.returncode or done.stdout:
            said.append(f"{patch.name}: exit {done.returncode}: {done.stdout or done.stderr}")
    if said:
        raise Failure("\n".join(said))


def style(claims):
    """Nothing to say about the patches, nor about the files that they touch."""
    folder = own_kernels.series_folder(SERIES)
    patches = kernel_series.patches(folder)
    with own_kernels.locked(SERIES):
        tree = own_kernels.source_tree(SERIES)
        claims.hold("checkpatch", _checkpatch, tree, patches)
        builder = own_kernels.Builder(tree, "style")
        builder.configure(kernel_config.merge(kernel_config.fragments("test", folder)))
        touched = sorted(set().union(*map(kernel_series.touched, patches)))
        files = [name for name in touched if name.endswith(".c")]

        def compiled():
            # What is made of them already is made again, and what is not theirs before that without being looked at.
            builder.make("prepare")
            for name in files:
                (builder.objects / name).with_suffix(".o").unlink(missing_ok=True)
            said = builder.make("W=1", "C=2", *(name.removesuffix(".c") + ".o" for name in files))
            names = "|".join(map(re.escape, touched))
            if found := [line for line in said.splitlines() if re.search(rf"(?:{names}):\d+.*(?:warning|error)", line)]:
                raise Failure("\n".join(found))
            for name in files:
                if not (builder.objects / name).with_suffix(".o").exists():
                    raise Failure(f"{name} was not compiled: {said}")

        claims.hold("gcc-and-sparse", compiled)


def cases():
    return [Case(f"driver.kunit-{SERIES}", kunit, 10), Case(f"driver.style-{SERIES}", style, 60)]
