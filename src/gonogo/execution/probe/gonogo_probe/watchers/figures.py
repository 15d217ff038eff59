"""Figures that are saved."""

from __future__ import annotations

import functools
import os
import sys
from types import ModuleType
from typing import Any

from .. import channel, events, hooks, places


def start() -> None:
    """Watch matplotlib."""
    hooks.when_imported("matplotlib.figure", _watch)


def _watch(module: ModuleType) -> None:
    original = module.Figure.savefig

    @functools.wraps(original)
    def savefig(self: Any, fname: Any, *more: Any, **named: Any) -> Any:
        if isinstance(fname, (str, os.PathLike)):
            path = os.path.abspath(os.fspath(fname))
            channel.emit(events.Figure(path[-600:], places.caller(sys._getframe(1))))
        return original(self, fname, *more, **named)

    module.Figure.savefig = savefig
