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
ORDINARY_SIZE = 500_000  # characters of Python
EACH_CHARACTER_MORE = 5e-5  # seconds: 2.5 million characters in 132 files took 48 s of processor time
SOURCES = (".py", ".ipynb", ".yaml", ".yml", ".toml")


class TimeUp(BaseException):
    """Raised by the alarm; not an Exception, so that no rule's own error handling can take it for its own."""


def seconds_for(experiment: Experiment) -> float:
    """The seconds that looking at a tree may take, by its number of files or its amount of Python."""
    count = sum(path.endswith(SOURCES) for path in experiment.files)
    size = sum(len(file.text) for path, file in experiment.files.items() if path.endswith(".py") and file.text is not None)
    return min(LONGEST, SHORTEST + max(0.0, EACH_MORE * (count - ORDINARY), EACH_CHARACTER_MORE * (size - ORDINARY_SIZE)))


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
