# SPDX-License-Identifier: GPL-2.0-or-later
"""What is counted: one line, PASS, FAIL or SKIP, for every claim."""
import threading
import time
import traceback

from .errors import Failure, Skip

_print_lock = threading.Lock()


class Claims:
    """Of one case. hold() goes on after a failure, so that one wrong answer does not hide the next."""

    def __init__(self, case):
        self.case = case
        self.counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}

    def hold(self, name, function, *arguments):
        """Calls function(*arguments); returns its answer, or None when it did not hold."""
        start = time.monotonic()
        try:
            answer = function(*arguments)
        except Skip as reason:
            self._tell("SKIP", name, start, str(reason))
            return None
        except Failure as reason:
            self._tell("FAIL", name, start, str(reason))
            return None
        except Exception:  # pylint: disable=broad-except
            self._tell("FAIL", name, start, traceback.format_exc())
            return None
        self._tell("PASS", name, start, "")
        return answer if answer is not None else True

    def skip(self, name, reason):
        self._tell("SKIP", name, time.monotonic(), reason)

    def _tell(self, state, name, start, detail):
        self.counts[state] += 1
        with _print_lock:
            print(f"{state} e2e.{self.case}.{name} ({time.monotonic() - start:.1f} s)", flush=True)
            if detail:
                print("  " + detail.replace("\n", "\n  "), flush=True)
