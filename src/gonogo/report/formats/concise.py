"""A line for each finding, `path:line:column: severity ID message`, and a line for each verdict."""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.model.verdict import Verdict
from gonogo.report import plain
from gonogo.report.formats import Format, Target
from gonogo.report.formats.full import SEVERITY_NAMES, place, summary
from gonogo.report.places import folder_of


class ConciseWriter:
    """Writes each verdict at once."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Write a verdict."""
        lines = [] if self._target.quiet else self._lines(verdict)
        print(*lines, f"{plain.line(verdict.experiment)}: {summary(verdict)}", sep="\n", file=self._target.stream, flush=True)

    def _lines(self, verdict: Verdict) -> list[str]:
        folder = folder_of(verdict)
        prefix = f"{plain.line(folder)}/" if self._target.experiments > 1 and folder != "." else ""
        found = [
            f"{prefix}{place(finding.location)}: {SEVERITY_NAMES[finding.severity]} {finding.rule} {plain.line(finding.message)}"
            for finding in verdict.findings
        ]
        return [*found, *(f"could not decide: {plain.line(reason)}" for reason in verdict.undecided)]

    def finish(self, seconds: float) -> None:
        """Nothing is left to write."""


FORMAT = Format("a line for each finding", ConciseWriter, streams=True)
