"""The process that supervises a job.

Everything that the job has started ends with it, and it ends with whoever started it.

Run as a script of its own (`python -I -S keeper.py PARENT GRACE CORES COMMAND…`), with nothing but the standard library, on whatever
machine an engine gives the job to. On Linux it takes in orphans (`PR_SET_CHILD_SUBREAPER`), so that no descendant escapes by a session of
its own, and hears of its parent's end from the kernel (`PR_SET_PDEATHSIG`), also when that is killed. Elsewhere it only passes signals on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PAUSE = 0.05


class _EndError(Exception):
    """A signal asks to end."""


def main() -> None:
    """Run the command and end as it does."""
    parent, grace, cores, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:]
    is_linux = sys.platform == "linux"
    libc = ctypes.CDLL(None) if is_linux else None
    for number in ASKING:
        signal.signal(number, _ask)
    child: subprocess.Popen[bytes] | None = None
    try:
        if libc is not None:
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            raise _EndError  # it ended before that was said
        if cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
        tie = (lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)) if libc is not None else None
        child = subprocess.Popen(command, preexec_fn=tie)  # noqa: PLW1509 - there are no threads here
        status = child.wait()
    except _EndError:
        status = -signal.SIGTERM
    except OSError as error:
        print(f"{command[0]} could not be started: {error.strerror or error}", file=sys.stderr)
        status = 127
    _ignore()
    _end_descendants(child, grace if status == -signal.SIGTERM else 0.0)
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _ask(*_: object) -> None:
    _ignore()
    raise _EndError


def _ignore() -> None:
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)


def _end_descendants(child: subprocess.Popen[bytes] | None, grace: float) -> None:
    """Ask them to end, then end those that do not; again and again, for some may start others meanwhile."""
    until = time.monotonic() + grace
    asked: set[int] = set()
    while True:
        left = descendants(os.getpid(), child)
        if not left:
            _reap()  # whoever inherits the dead may be slow to, and they are of the group that is waited for
            return
        if time.monotonic() < until:
            for pid in left - asked:
                _send(pid, signal.SIGTERM)
            asked |= left
        else:
            for pid in left:
                _send(pid, signal.SIGKILL)
        _reap()
        time.sleep(PAUSE)


def descendants(pid: int, child: subprocess.Popen[bytes] | None = None) -> set[int]:
    """Every living process below one; where there is no /proc, the child alone."""
    if not Path("/proc/self/stat").exists():
        return {child.pid} if child is not None and child.poll() is None else set()
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - thousands of names, each of them looked at once
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()
                if fields[0] not in (b"Z", b"X"):
                    parents[int(entry)] = int(fields[1])
    found: set[int] = set()
    grown = {pid}
    while grown:
        grown = {child for child, parent in parents.items() if parent in grown and child not in found}
        found |= grown
    return found


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main()
