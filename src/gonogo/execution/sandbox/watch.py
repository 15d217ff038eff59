"""What a run uses, observed from outside at intervals.

The kernel limits these resources for administrators only.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from gonogo.execution.sandbox.descendants import descendants
from gonogo.execution.sandbox.model import Limit, Limits

DISK_SECONDS = 0.2
DISK_SHARE = 10  # looking at the disk takes at most one part in so many of the time
LONGEST_PATH = 3500
ROUNDS_OF_KILLING = 50
BLOCK = 512
LAST_LINES = 0.2  # seconds in which processes that are asked to end at once can say where they are
TURN = 0.02


class Account:
    """What all runs of a box take together: they share its folders and its limits.

    Args:
        folders: the writable folders; what is in them when the first run begins does not count.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = [str(folder) for folder in folders]
        self._lock = threading.Lock()
        self._before: tuple[int, int] | None = None
        self._measured = (0, 0, "")
        self._next = 0.0
        self._memory: dict[int, int] = {}

    def begin(self) -> None:
        """Measure what is there before anything has run."""
        with self._lock:
            if self._before is None:
                files, used, _ = measure(self._folders, sys.maxsize)
                self._before = files, used

    def disk(self, most_files: int, *, now: bool = False) -> tuple[int, int, str]:
        """Files and bytes that were added, and what could not be looked into; measured now and then, or `now`."""
        with self._lock:
            started = time.monotonic()
            files, used = self._before or (0, 0)
            if now or started >= self._next:
                found, taken, obstacle = measure(self._folders, most_files + files)
                self._measured = found - files, taken - used, obstacle
                ended = time.monotonic()
                self._next = ended + max(DISK_SECONDS, DISK_SHARE * (ended - started))
            return self._measured

    def memory(self, run: int, size: int) -> tuple[int, bool]:
        """Note what one run takes; what all take, and whether it is the largest of them."""
        with self._lock:
            self._memory[run] = size
            return sum(self._memory.values()), size >= max(self._memory.values())

    def end(self, run: int) -> None:
        """A run is over."""
        with self._lock:
            self._memory.pop(run, None)


class Watch:
    """Measures the processes of a run and the folders they can write.

    Args:
        limits: what is too much.
        account: of the box.
        namespaced: whether the process that gonogo starts has one child, the first process of a namespace, which adopts daemons.
    """

    def __init__(self, limits: Limits, account: Account, *, namespaced: bool) -> None:
        self.limits = limits
        self.peak_memory = self.peak_disk = self.peak_processes = self.daemons = 0
        self._account = account
        self._namespaced = namespaced
        self._root: psutil.Process | None = None
        self._reaper: psutil.Process | None = None
        self._main: int | None = None
        self._seen: dict[int, psutil.Process] = {}
        account.begin()

    def begin(self, root: int) -> None:
        """Learn the process that gonogo started."""
        self._root = psutil.Process(root)
        self._reaper = None if self._namespaced else self._root

    def processes(self, *, now: bool = False) -> list[psutil.Process]:
        """Return the processes of the code that exist now or existed a moment ago.

        With `now`, it is those at this moment. Processes that only contain the code are left out.
        """
        if self._root is None:
            return []
        try:
            if self._reaper is None:
                first = descendants(self._root, self._seen, now=now)
                if not first:
                    return []
                self._reaper = first[0]
            found = descendants(self._reaper, self._seen, now=now)
            if self._main is None and found:
                self._main = min(found, key=lambda process: process.create_time()).pid
        except psutil.NoSuchProcess:
            return []
        self._seen.update((process.pid, process) for process in found)
        return found

    def sample(self) -> tuple[Limit, str] | None:
        """Measure; the limit that is exceeded, with words, or None."""
        found = self.processes()
        self.peak_processes = max(self.peak_processes, len(found))
        if len(found) > self.limits.processes:
            return Limit.PROCESSES, f"more than {self.limits.processes} processes at one time"
        memory = threads = daemons = 0
        for process in found:
            with suppress(psutil.Error), process.oneshot():
                memory += process.memory_info().rss
                threads += process.num_threads()
                daemons += process.pid != self._main and self._reaper is not None and process.ppid() == self._reaper.pid
        self.daemons = max(self.daemons, daemons)
        if threads > self.limits.threads:
            return Limit.PROCESSES, f"more than {self.limits.threads} threads at one time"
        together, largest = self._account.memory(id(self), memory)
        if together > self.limits.memory:
            memory = sum(_proportional(process) for process in found)
            together, largest = self._account.memory(id(self), memory)
        self.peak_memory = max(self.peak_memory, memory)
        if together > self.limits.memory and largest:
            return Limit.MEMORY, f"more than {_size(self.limits.memory)} of memory"
        return self.disk(found)

    def disk(self, found: Iterable[psutil.Process] = (), *, now: bool = False) -> tuple[Limit, str] | None:
        """Measure the writable folders and the files without names that the processes hold open.

        Such files are deleted, or never had a name.
        """
        files, used, obstacle = self._account.disk(self.limits.files, now=now)
        used += sum(_nameless(process.pid) for process in found)
        self.peak_disk = max(self.peak_disk, used)
        if obstacle:
            return Limit.DISK, f"a folder that can't be measured: {obstacle}"
        if files > self.limits.files:
            return Limit.DISK, f"more than {self.limits.files} files and folders"
        if used > self.limits.disk:
            return Limit.DISK, f"more than {_size(self.limits.disk)} on disk"
        return None

    def ask_to_end(self, patience: float) -> None:
        """Send SIGTERM to the code's processes.

        The first of them gets it when the others have ended, since everything that is left ends with it.

        All are stopped before: one that waits for a child would go on when that has ended, and no longer be where it was.

        Args:
            patience: seconds after which the first gets it although others are still there.
        """
        found = self.processes(now=True)
        first = [process for process in found if process.pid == self._main]
        others = [process for process in found if process.pid != self._main]
        _signal([*first, *others], signal.SIGSTOP)
        _signal(others, signal.SIGTERM, signal.SIGCONT)
        deadline = time.monotonic() + patience  # on a busy machine they do not get their turn at once
        while time.monotonic() < deadline and any(_lives(process) for process in others):
            time.sleep(TURN)
        _signal(first, signal.SIGTERM, signal.SIGCONT)

    def kill_all(self) -> None:
        """Kill the code's processes until there are none, or it seems that they multiply faster."""
        for _ in range(ROUNDS_OF_KILLING):
            found = [process for process in self.processes(now=True) if _lives(process)]
            if not found:
                return
            for process in found:
                with suppress(psutil.Error):
                    process.kill()

    def sweep(self, token: str, patience: float = 5.0) -> tuple[int, ...]:
        """Kill whatever is left of the run, also where its parents are gone.

        Args:
            token: what the environment of every process of the run contains.
            patience: seconds to wait for the killed.

        Returns:
            The processes that are still there.
        """
        self._account.end(id(self))
        deadline = time.monotonic() + patience
        while True:
            left = [process for process in {**self._seen, **_marked(token)}.values() if _lives(process)]
            if not left or time.monotonic() > deadline:
                return tuple(process.pid for process in left)
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(left, timeout=0.2)


def _marked(token: str) -> dict[int, psutil.Process]:
    """The processes in whose environment the token stands: those that left the tree between two looks."""
    wanted, found = token.encode(), {}
    for name in filter(str.isdigit, os.listdir("/proc")) if os.path.isdir("/proc/self") else ():
        with suppress(OSError, psutil.Error):
            if wanted in Path(f"/proc/{name}/environ").read_bytes():
                found[int(name)] = psutil.Process(int(name))
    return found


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _proportional(process: psutil.Process) -> int:
    """Resident memory in which a page that `n` processes share counts one `n`-th."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        with suppress(psutil.Error):
            return int(process.memory_info().rss)
    except psutil.Error:
        pass  # it ended
    return 0


def measure(folders: Iterable[str], most_files: int) -> tuple[int, int, str]:
    """Count files and bytes on disk below folders.

    Counting stops at one file more than allowed. What could not be examined is also returned.
    """
    files = used = 0
    waiting = list(folders)
    while waiting and files <= most_files:
        folder = waiting.pop()
        if len(folder) > LONGEST_PATH:
            return files, used, "nested too deeply"
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    files += 1
                    with suppress(FileNotFoundError):
                        kind = entry.stat(follow_symlinks=False)
                        used += kind.st_blocks * BLOCK
                        if stat.S_ISDIR(kind.st_mode):
                            waiting.append(entry.path)
                    if files > most_files:
                        break
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone since it was listed
        except OSError as error:
            return files, used, f"{error.strerror} ({os.path.basename(folder)})"
    return files, used, ""


def _signal(processes: Iterable[psutil.Process], *numbers: int) -> None:
    """Send signals to processes, as far as they are still there."""
    for process in processes:
        with suppress(psutil.Error):
            for number in numbers:
                process.send_signal(number)


def _nameless(pid: int) -> int:
    """Bytes in files that a process holds open and that no folder shows."""
    used, seen = 0, set()
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                kind = os.stat(entry.path)
                if kind.st_nlink == 0 and stat.S_ISREG(kind.st_mode) and (kind.st_dev, kind.st_ino) not in seen:
                    seen.add((kind.st_dev, kind.st_ino))
                    used += kind.st_blocks * BLOCK
    return used


def _size(count: int) -> str:
    return f"{count / (1 << 30):.3g} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.3g} MiB"
