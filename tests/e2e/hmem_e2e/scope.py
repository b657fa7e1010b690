# SPDX-License-Identifier: GPL-2.0-or-later
"""hmemscope as the tests use it: verb, file, what came out."""
import json
import os

from . import paths
from .errors import Failure
from .shell import run

PRESET = os.environ.get("HMEM_E2E_PRESET", "dev")


def call(verb, *arguments, timeout=180):
    """The finished process, whatever it answered; a signal or a sanitizer's report is a failure."""
    done = run([paths.program(PRESET, "hmemscope"), verb, *arguments], check=False, timeout=timeout)
    if done.returncode < 0 or "Sanitizer" in done.stderr or "runtime error:" in done.stderr:
        raise Failure(f"hmemscope {verb}: exit {done.returncode}: {done.stderr[-2000:]}")
    return done


def text(verb, *arguments, exits=(0,)):
    done = call(verb, *arguments)
    if done.returncode not in exits:
        raise Failure(f"hmemscope {verb} {' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def report(verb, *arguments, exits=(0,)):
    """The verb's --json, parsed."""
    return parse(text(verb, "--json", *arguments, exits=exits), verb)


def parse(out, verb):
    try:
        return json.loads(out)
    except json.JSONDecodeError as error:
        raise Failure(f"hmemscope {verb} --json: not JSON: {error}: {out[:200]!r}") from error
