"""One JSON document: an object for one experiment, a list for several."""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.model.verdict import Verdict
from gonogo.report import json
from gonogo.report.formats import Format, Target


class JsonWriter:
    """Writes when all verdicts are there."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._verdicts: list[Verdict] = []

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Take a verdict."""
        self._verdicts.append(verdict)

    def finish(self, seconds: float) -> None:
        """Write the document."""
        print(json.document(self._verdicts), file=self._target.stream)


FORMAT = Format("one JSON document", JsonWriter)
