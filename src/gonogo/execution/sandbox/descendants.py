"""Which processes descend from a process.

They come from the kernel's own list, or from the machine's whole process table, which several watchers share.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import defaultdict
from contextlib import suppress

import psutil

FRESH = 0.08  # seconds
MOST_LOOKS = 100  # threads; with more, the table of a usual machine is read as quickly


class _Table:
    """The children of every process of this machine, looked up at most every `FRESH` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[int, list[int]] = {}
        self._at = -1.0

    def descendants(self, pid: int, *, now: bool) -> list[int]:
        """The descendants of a process; looked up anew if `now`."""
        with self._lock:
            if now or time.monotonic() - self._at > FRESH:
                self._children = _look()
                self._at = time.monotonic()
            found: list[int] = []
            waiting = [pid]
            while waiting:
                inner = self._children.get(waiting.pop(), [])
                found += inner
                waiting += inner
        return found


def _look() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    if sys.platform == "linux":
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                children[int(file.read().rpartition(b")")[2].split()[1])].append(int(name))
    else:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                children[process.ppid()].append(process.pid)
    return children


_table = _Table()


def _by_threads(pid: int) -> list[int] | None:
    """Return the descendants of a process as the kernel lists them, thread by thread.

    None where it does not list them, or where that would take longer.

    Of processes that come and go meanwhile some may be missing, so this is good for measuring and not for clearing up.
    """
    found: list[int] = []
    waiting, looks = [pid], 0
    while waiting:
        task = f"/proc/{waiting.pop()}/task"
        try:
            threads = os.listdir(task)
        except OSError:
            continue  # it has ended
        looks += len(threads)
        if looks > MOST_LOOKS:
            return None
        for thread in threads:
            try:
                with open(f"{task}/{thread}/children", "rb") as file:
                    inner = [int(number) for number in file.read().split()]
            except FileNotFoundError:
                if os.path.exists(f"{task}/{thread}"):
                    return None  # a kernel without such lists
                continue
            except OSError:
                continue
            found += inner
            waiting += inner
    return found


def descendants(process: psutil.Process, known: dict[int, psutil.Process], *, now: bool = False) -> list[psutil.Process]:
    """The processes that descend from one.

    Args:
        process: the one.
        known: processes seen before, by number; those that still are what they were need not be looked at again.
        now: whether what was seen up to `FRESH` seconds ago is not good enough.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    if not process.is_running():
        raise psutil.NoSuchProcess(process.pid)
    found = []
    numbers = None if now else _by_threads(process.pid)
    for pid in _table.descendants(process.pid, now=now) if numbers is None else numbers:
        with suppress(psutil.Error):
            seen = known.get(pid)
            found.append(seen if seen is not None and seen.is_running() else psutil.Process(pid))
    return found
