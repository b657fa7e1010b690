# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the cases, runs one more at once than there are CPUs (a guest often waits for a deadline), counts."""
import concurrent.futures
import dataclasses
import importlib
import os
import pkgutil
from collections.abc import Callable

from . import cases, paths
from .claims import Claims


@dataclasses.dataclass(frozen=True)
class Case:
    """`run` gets a Claims; the longest are started first."""
    name: str
    run: Callable
    seconds: int = 30


def find_cases():
    found = []
    for module in pkgutil.iter_modules(cases.__path__):
        found += importlib.import_module(f"{cases.__name__}.{module.name}").cases()
    return sorted(found, key=lambda case: (-case.seconds, case.name))


def unknown_names(names):
    """Those of `names` that choose no case."""
    found = [case.name for case in find_cases()]
    return [name for name in names if not any(name in case for case in found)]


def _run(case):
    claims = Claims(case.name)
    claims.hold("ran", case.run, claims)
    return claims.counts


def run_cases(names, summary):
    """Runs those whose name contains one of `names` (all when there are none); writes "passed failed skipped"."""
    chosen = [case for case in find_cases() if not names or any(name in case.name for name in names)]
    paths.RUNS.mkdir(parents=True, exist_ok=True)
    total = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("HMEM_E2E_JOBS", str((os.cpu_count() or 2) + 1)))) as pool:
        for counts in pool.map(_run, chosen):
            for state, count in counts.items():
                total[state] += count
    if summary:
        summary.parent.mkdir(parents=True, exist_ok=True)
        summary.write_text(f"{total['PASS']} {total['FAIL']} {total['SKIP']}\n", encoding="ascii")
    return total
