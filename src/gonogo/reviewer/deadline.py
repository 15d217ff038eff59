"""One time limit for a whole review: whatever is tried within it ends with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TICK = 5.0


class OutageError(Exception):
    """The model could not be asked, or did not answer; the text says why, and has no key in it."""


class Deadline:
    """A moment.

    Args:
        seconds: until then.
        tick: hears every few seconds, while something is waited for, how many have passed.
    """

    def __init__(self, seconds: float, tick: Callable[[float], None] = lambda _: None) -> None:
        self.seconds = seconds
        self._started = time.monotonic()
        self._tick = tick

    @property
    def left(self) -> float:
        """Seconds until then, 0 when it is past."""
        return max(0.0, self.seconds - (time.monotonic() - self._started))

    def within(self, act: Callable[[], T]) -> T:
        """Return the result of a function if it arrives in time.

        A function that is late is left running: its own limits must end it.

        It runs in a thread: nothing else takes the time from a read that a server keeps alive, byte by byte.

        Raises:
            OutageError: the time is over.
        """
        outcome: list[tuple[bool, T | BaseException]] = []

        def run() -> None:
            try:
                outcome.append((True, act()))
            except BaseException as error:
                outcome.append((False, error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while thread.is_alive() and self.left:
            thread.join(min(TICK, self.left))
            self._tick(self.seconds - self.left)
        if not outcome:
            raise OutageError(f"no answer within {self.seconds:g} s")
        is_good, found = outcome[0]
        if is_good:
            return found  # type: ignore[return-value]
        assert isinstance(found, BaseException)
        raise found
