"""The live table of a launch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gonogo.launch.job import Event
from gonogo.report import plain

STYLES = {"running": "cyan", "done": "green", "failed": "bold red", "stopped": "yellow", "skipped": "dim", "waiting": "dim"}
WIDTH = 70


class Board:
    """Shows the runs: on a terminal a table that changes, elsewhere a line for each event.

    Args:
        stream: where to.
        labels: the runs, in order.
        said: gives the last line that a run has said.
    """

    def __init__(self, stream: TextIO, labels: list[str], said: Callable[[str], str]) -> None:
        self._console = Console(file=stream, highlight=False)
        self._states = dict.fromkeys(labels, "waiting")
        self._started: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._said = said
        self._live: Live | None = None

    def __enter__(self) -> Board:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def hear(self, event: Event) -> None:
        """Take an event."""
        self._states[event.label] = event.state
        if event.state == "running":
            self._started[event.label] = time.monotonic()
        else:
            self._seconds[event.label] = event.seconds
        if self._live is None:
            more = f", {event.seconds:.1f} s" if event.state in ("done", "failed") else ""
            self._console.print(
                Text(plain.line(f"{event.label}: {event.state}{more}{f' ({event.reason})' if event.reason else ''}")), soft_wrap=True
            )

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for title in ("run", "state", "time", "left", "last line"):
            table.add_column(title, no_wrap=True)
        done = [self._seconds[label] for label, state in self._states.items() if state == "done" and label in self._seconds]
        usual = sum(done) / len(done) if done else None
        for label, state in self._states.items():
            seconds = self._seconds.get(label, time.monotonic() - self._started[label] if label in self._started else 0.0)
            left = f"~{max(0.0, usual - seconds):.0f} s" if usual is not None and state == "running" else ""
            line = plain.line(self._said(label))[:WIDTH] if state in ("running", "failed") else ""
            table.add_row(
                Text(plain.line(label)), Text(state, STYLES.get(state, "")), f"{seconds:.0f} s" if seconds else "", left, Text(line, "dim")
            )
        return table
