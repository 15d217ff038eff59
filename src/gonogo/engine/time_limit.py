"""A limit on the wall-clock time of a block."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TimeUp(BaseException):
    """Raised by the alarm; not an Exception, so that no rule's own error handling can take it for its own."""


@contextmanager
def time_limit(seconds: float) -> Iterator[Callable[[], None]]:
    """Bound a block in wall-clock time, where signals reach it (the main thread of a process); gives what stops the clock.

    Raises:
        TimeUp: the time is over.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield lambda: None
        return

    def ring(*_: object) -> None:
        raise TimeUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, 0) and None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
