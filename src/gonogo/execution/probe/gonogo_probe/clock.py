"""The time of the program: what the probe itself takes to look at things does not count."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_own = 0.0
_here = threading.local()


def now() -> float:
    """Seconds on a clock that stands still while the probe looks at something."""
    return time.perf_counter() - _own


@contextmanager
def aside() -> Iterator[None]:
    """Time that is the probe's; blocks may be nested."""
    global _own
    if getattr(_here, "aside", False):
        yield
        return
    _here.aside = True
    started = time.perf_counter()
    try:
        yield
    finally:
        _here.aside = False
        _own += time.perf_counter() - started
