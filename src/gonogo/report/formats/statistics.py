"""How often each rule reported something in all experiments of a call.

The most frequent comes first. This is what `--statistics` prints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gonogo.model.verdict import Outcome, Verdict
from gonogo.report.formats import Format, Target
from gonogo.report.formats.full import SEVERITY_NAMES

_Row = tuple[str, str, str]  # severity, id and slug


class StatisticsWriter:
    """Writes when all verdicts are there."""

    def __init__(self, target: Target) -> None:
        self._stream = target.stream
        self._findings: Counter[_Row] = Counter()
        self._experiments: Counter[_Row] = Counter()
        self._outcomes: Counter[Outcome] = Counter()

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Count a verdict's findings."""
        rows = [(SEVERITY_NAMES[finding.severity], finding.rule, finding.slug) for finding in verdict.findings]
        self._findings.update(rows)
        self._experiments.update(set(rows))
        self._outcomes[verdict.outcome] += 1

    def finish(self, seconds: float) -> None:
        """Write a line for each rule: findings, severity, id and slug, and in how many experiments it spoke."""
        total = self._outcomes.total()
        for row, count in sorted(self._findings.items(), key=lambda entry: (-entry[1], entry[0])):
            severity, rule, slug = row
            where = f"  in {self._experiments[row]} of {total} experiments" if total > 1 else ""
            print(f"{count:>6}  {severity:<7}  {rule}  {slug}{where}", file=self._stream)
        counts = ", ".join(f"{count} {outcome}" for outcome in Outcome if (count := self._outcomes[outcome]))
        print(f"{self._findings.total()} findings of {len(self._findings)} rules; {counts}", file=self._stream)


FORMAT = Format("how often each rule spoke", StatisticsWriter)
