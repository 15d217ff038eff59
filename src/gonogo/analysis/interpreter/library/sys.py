"""`sys`: the command line and the running Python."""

from __future__ import annotations

from gonogo.analysis.interpreter.base import Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.scalar import Scalar


@LIBRARY.attribute("sys.argv")
def argv(walk: Walk) -> Value:
    """The command line."""
    return walk.process.argv


@LIBRARY.attribute("sys.executable")
def executable(walk: Walk) -> Value:
    """The running Python."""
    return Scalar("python")
