# SPDX-License-Identifier: GPL-2.0-or-later
"""Running programs of the host."""
import subprocess

from .errors import Failure


def run(command, *, check=True, timeout=600, cwd=None, env=None, stdin=subprocess.DEVNULL, text=True):
    """Runs an argument list; output is captured. A failure carries the command and the end of what it said."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=text, timeout=timeout, cwd=cwd, env=env,
                              errors="replace" if text else None)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{' '.join(command)}: not done after {timeout} s") from error
    except FileNotFoundError as error:
        raise Failure(f"{command[0]}: not installed") from error
    if check and done.returncode != 0:
        said = (done.stderr if text else done.stderr.decode(errors="replace")).strip()[-2000:]
        raise Failure(f"{' '.join(command)}: exit {done.returncode}: {said}")
    return done
