"""Places in the experiment's own code."""

from __future__ import annotations

import sys
from types import FrameType, TracebackType

from . import settings
from .events import Place

FAR = 60  # frames that are looked at


def relative(path: str) -> str | None:
    """A file's path in the tree, None if it is not in it (or in an environment inside it)."""
    if not path.startswith(settings.tree) or "/site-packages/" in path:
        return None
    return path[len(settings.tree) :]


def caller(frame: FrameType | None = None) -> Place | None:
    """The line of the experiment that (directly or through libraries) led here, None if no line of it did."""
    current = frame or sys._getframe(1)
    for _ in range(FAR):
        path = relative(current.f_code.co_filename)
        if path is not None:
            return path, current.f_lineno
        if current.f_back is None:
            return None
        current = current.f_back
    return None


def is_direct(frame: FrameType) -> bool:
    """Whether a frame is the experiment's own."""
    return relative(frame.f_code.co_filename) is not None


def frames(traceback: TracebackType | None) -> list[tuple[str, int, str]]:
    """The experiment's own frames of a traceback as (path, line, function), outermost first."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = relative(code.co_filename)
        if path is not None:
            found.append((path, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return found
