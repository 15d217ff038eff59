"""A limit on the wall-clock time of a block."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gonogo.model.check_options import LONGEST, SHORTEST
from gonogo.model.experiment import Experiment

ORDINARY = 500  # source files
EACH_MORE = 0.1  # seconds for each source file beyond
SOURCES = (".py", ".ipynb", ".yaml", ".yml", ".toml")


class TimeUp(BaseException):
    """Raised by the alarm; not an Exception, so that no rule's own error handling can take it for its own."""


def seconds_for(experiment: Experiment) -> float:
    """The seconds that looking at a tree may take, by the number of its source files."""
    count = sum(path.endswith(SOURCES) for path in experiment.files)
    return min(LONGEST, SHORTEST + EACH_MORE * max(0, count - ORDINARY))


@contextmanager
def time_limit(seconds: float) -> Iterator[Callable[[float], None]]:
    """Bound a block in wall-clock time, where signals reach it (the main thread of a process).

    Gives what sets the clock anew, to so many seconds from then on; to 0, which stops it.

    Raises:
        TimeUp: the time is over.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield lambda seconds: None
        return

    def ring(*_: object) -> None:
        raise TimeUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds) and None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
