"""A line of JSON for each experiment, as soon as it is judged."""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.model.verdict import Verdict
from gonogo.report import json
from gonogo.report.formats import Format, Target


class JsonlWriter:
    """Writes each verdict at once."""

    def __init__(self, target: Target) -> None:
        self._stream = target.stream

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Write a verdict."""
        print(json.line(verdict), file=self._stream, flush=True)

    def finish(self, seconds: float) -> None:
        """Nothing is left to write."""


FORMAT = Format("a line of JSON for each experiment", JsonlWriter, streams=True)
