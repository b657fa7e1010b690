# SPDX-License-Identifier: GPL-2.0-or-later
"""The man page of a program has exactly the verbs and options of its --help, and all exit codes.

Takes the programs from build/dev or build/release; a page is roff with man or mdoc macros.
"""

import pathlib
import re
import shutil
import subprocess

from tree import judged, skipped

# Program, its section, its folder. hmem-init takes no options.
PROGRAMS = [
    ("hmemscope", 1, "dumptools/tools/hmemscope"),
    ("hmemdump", 8, "dumptools/tools/hmemdump"),
    ("kdump-arm", 8, "dumptools/tools/kdump-arm"),
]
OPTION = r"--[a-z][a-z0-9-]*"
HELP_OPTION = re.compile(rf"^\s+(?:-\w\s*,\s*)?({OPTION})", re.MULTILINE)
LISTING = re.compile(r"^(?:subcommands|verbs|commands):\s*$", re.IGNORECASE)
EXIT_CODES = ("0", "1", "2", "3")
SECONDS = 30


def help_of(program, *verb):
    done = subprocess.run([str(program), *verb, "--help"], capture_output=True, text=True,
                          timeout=SECONDS, check=False)
    return done.stdout if done.returncode == 0 else None


def verbs_in(text):
    """First words of the indented lines below "Subcommands:"; deeper lines continue the one before."""
    verbs, indent = [], None
    listing = False
    for line in text.splitlines():
        if LISTING.match(line):
            listing, indent = True, None
        elif line and not line[0].isspace():
            listing = False
        elif listing and line.strip():
            depth = len(line) - len(line.lstrip())
            indent = depth if indent is None else indent
            if depth == indent:
                verbs.append(line.split()[0].rstrip(","))
    return verbs


def all_helps(program, *verbs):
    """{"verb" or "verb verb": its help}, "" for the program itself; None when that one has no help."""
    text = help_of(program, *verbs)
    if text is None:
        return None if not verbs else {" ".join(verbs): ""}
    texts = {" ".join(verbs): text}
    for verb in verbs_in(text):
        texts.update(all_helps(program, *verbs, verb))
    return texts


def plain(page):
    """Roff without fonts, escapes and comments; mdoc's `Fl -name` is --name."""
    page = re.sub(r'^[.\']\\".*$', "", page, flags=re.MULTILINE)
    page = re.sub(r"\\f(?:\[\w*\]|\(\w\w|\w)", "", page).replace("\\-", "-").replace("\\&", "")
    return re.sub(r"\bFl +-", "--", page)


def defined_in(page):
    """Options that a list item of the page defines, as against those that the text mentions."""
    options = set()
    lines = plain(page).splitlines()
    for number, line in enumerate(lines):
        after_tp = number > 0 and re.match(r"^\.TP\b", lines[number - 1])
        if after_tp or re.match(r"^\.(?:It|IP|OP|TQ)\b", line):
            options |= set(re.findall(OPTION, line))
    return options


def compare(name, help_texts, page):
    """`help_texts`: as all_helps() has it."""
    problems = []
    text = plain(page)
    words = set(re.findall(r"[\w-]+", text))
    mentioned = set(re.findall(OPTION, text))
    offered = set()
    for verb, help_text in help_texts.items():
        options = set(HELP_OPTION.findall(help_text))
        offered |= options
        if not set(verb.split()) <= words:
            problems.append(f"{name}: the page does not name the verb '{verb}'")
        for option in sorted(options - mentioned):
            problems.append(f"{name}: the page lacks {option}{' of ' + verb if verb else ''}")
    for option in sorted(defined_in(page) - offered):
        problems.append(f"{name}: the page has {option}, --help does not")
    section = re.search(r"^\.S[Hh] +\"?EXIT STATUS\"?$(.*?)(?=^\.S[Hh] |\Z)", text,
                        re.MULTILINE | re.DOTALL)
    if section is None:
        problems.append(f"{name}: the page has no EXIT STATUS")
    else:
        missing = [c for c in EXIT_CODES if not re.search(rf"\b{c}\b", section.group(1))]
        problems += [f"{name}: EXIT STATUS does not say what {c} means" for c in missing]
    return problems


def lint(tree, path):
    if shutil.which("mandoc") is None:
        return []
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", path], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    return [line.removeprefix("mandoc: ") for line in (done.stdout + done.stderr).splitlines()]


def check(tree):
    problems, built = [], 0
    for name, section, folder in PROGRAMS:
        path = f"docs/man/{name}.{section}"
        page = tree.read(path)
        programs = [tree.build / preset / folder / name for preset in ("dev", "release")]
        program = next((p for p in programs if p.is_file()), None)
        if page is not None:
            problems += lint(tree, path)
        if program is None:
            continue
        built += 1
        if page is None:
            problems.append(f"{name}: no {path}")
            continue
        help_texts = all_helps(program)
        if help_texts is None:
            problems.append(f"{name}: --help does not exit 0")
            continue
        problems += compare(pathlib.PurePath(path).name, help_texts, page)
    if built == 0 and not problems:
        return skipped("no programs built: cmake --build --preset dev")
    return judged(problems)
