"""The progress of the stages that run the experiment.

A terminal shows one line that changes; elsewhere there is one line for each run that ended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from gonogo.report import plain

WIDTH = 90
LONG = 1.0  # seconds: an environment that was there already is no news


class Live:
    """Shows progress.

    Args:
        stream: where to; it shows a changing line only if that is a terminal.
        names: of the experiments, for more than one.
    """

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        self._console = Console(file=stream, highlight=False)
        self._names = names
        self._status: Status | None = None
        self._running: dict[tuple[int, str, str], float] = {}

    def hear(self, task: int, stage: str, run: str, what: str, text: str) -> None:
        """Take a piece of news.

        Args:
            task: the number of the experiment.
            stage: of it.
            run: the run's id, empty for the stage itself.
            what: `start`, `line` or `end`.
            text: the line, or how it ended.
        """
        key = (task, stage, run)
        if what == "start":
            self._running[key] = time.monotonic()
        seconds = time.monotonic() - self._running.get(key, time.monotonic())
        label = plain.line(" ".join(part for part in (self._names[task] if len(self._names) > 1 else "", stage, run) if part))
        if what == "end":
            self._running.pop(key, None)
            if run or seconds >= LONG:
                self._show(f"{label}: {plain.line(text) or 'ended'}, {seconds:.1f} s")
        if self._console.is_terminal:
            self._update(f"{label}  {seconds:.0f} s  {plain.line(text)[:WIDTH]}")

    def _show(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def _update(self, line: str) -> None:
        if self._status is None:
            self._status = self._console.status(Text(line))
            self._status.start()
        else:
            self._status.update(Text(line))
        if not self._running and self._status is not None:
            self._status.stop()
            self._status = None
