# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of kernels of ours: fragments with a reason in every line, merged, and looked for in the result."""
import dataclasses
import pathlib
import re

from . import paths
from .errors import Failure

FOLDER = paths.ROOT / "capture-kernel" / "config"

_LINE = re.compile(r'(CONFIG_\w+)=("[^"]*"|\S+)\s+# \S.*')


@dataclasses.dataclass(frozen=True)
class Option:
    name: str
    value: str
    # "file:line", for what is said of it.
    place: str


def parse_fragment(path):
    """The options of one fragment; every line of it says why, and no option comes twice."""
    options = {}
    shown = path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        place = f"{shown}:{number}"
        found = _LINE.fullmatch(line)
        if not found:
            raise Failure(f"{place}: not of the form CONFIG_NAME=value # reason: {line}")
        name, value = found.groups()
        if name in options:
            raise Failure(f"{place}: {name}: already set in {options[name].place}")
        options[name] = Option(name, value, place)
    return options


def parse_profiles(path):
    """{profile: (fragments, ...)} of a file with lines "profile: name ...", a name being a fragment's or an earlier profile's."""
    profiles = {}
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        if not colon:
            raise Failure(f"{path}:{number}: not of the form PROFILE: FRAGMENT...: {line}")
        profiles[name] = tuple(one for word in rest.split() for one in profiles.get(word, (word,)))
    return profiles


def profile_names(folder=FOLDER):
    return list(parse_profiles(folder / "profiles"))


def fragments(profile, series_folder, folder=FOLDER):
    """Files of a profile in the order in which they apply. Options that a series brings lie beside its patches, in a
    fragment of the profile's or fragment's name."""
    profiles = parse_profiles(folder / "profiles")
    if profile not in profiles:
        raise Failure(f"no kernel profile '{profile}'; there are: {' '.join(profiles)}")
    files = [folder / f"{name}.config" for name in profiles[profile]]
    patched = [series_folder / f"{name}.config" for name in profiles[profile]]
    return files + [file for file in patched if file.exists()]


def merge(files):
    """{name: Option}; what comes later wins."""
    options = {}
    for file in files:
        options |= parse_fragment(file)
    return options


def as_text(options):
    """For KCONFIG_ALLCONFIG."""
    return "".join(f"# {o.name} is not set\n" if o.value == "n" else f"{o.name}={o.value}\n" for o in options.values())


def _definition(tree, option):
    """The Kconfig file that knows an option, or None."""
    symbol = option.name.removeprefix("CONFIG_")
    definition = re.compile(rf"^\s*(?:menu)?config {symbol}$", re.MULTILINE)
    for file in sorted(tree.rglob("Kconfig*")):
        if file.is_file() and not re.match(r"arch/(?!x86/)[^/]+/", str(file.relative_to(tree))):
            if definition.search(file.read_text(encoding="utf-8", errors="replace")):
                return file.relative_to(tree)
    return None


def _missing(option, lines, tree):
    """Why an option is not as asked for; None when it is."""
    wanted = f"# {option.name} is not set" if option.value == "n" else f"{option.name}={option.value}"
    if wanted in lines:
        return None
    definition = _definition(tree, option)
    if definition is None:
        return "no Kconfig file defines it"
    if option.value == "n" and not any(line.startswith(f"{option.name}=") for line in lines):
        return None
    return f"{definition} does not let it be so: what it depends on, or what selects it"


def claim_all_there(options, config_text, tree):
    """Failure that names every asked-for option which the final .config does not have."""
    lines = set(config_text.splitlines())
    missing = [f"{o.place}: {o.name}={o.value}: {why}" for o in options.values() if (why := _missing(o, lines, tree))]
    if missing:
        raise Failure("not in the final .config: " + "; ".join(missing))
