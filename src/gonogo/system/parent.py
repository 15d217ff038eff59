"""Ending with the process that started this one, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def own_number() -> int:
    """Return this process's number for `end_with`, or 0 in a thread.

    Linux takes the end of the thread that starts a process for the end of its parent.
    """
    return os.getpid() if threading.current_thread() is threading.main_thread() else 0


def end_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Have this process receive a signal when its parent ends, also when the parent is killed.

    This works on Linux only; elsewhere nothing is done.

    Args:
        parent: its number; 0 for no such thing.
        number: of the signal.
    """
    if parent == 0 or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended before that was said
        os.kill(os.getpid(), number)
