"""Letting the rules of a stage speak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from gonogo.documents.lines import split_lines
from gonogo.documents.notebook import Notebook
from gonogo.engine.copies import without_copies
from gonogo.engine.facts import Facts
from gonogo.model.errors import StageError
from gonogo.model.finding import Location, Severity, Stage
from gonogo.model.verdict import Verdict
from gonogo.rules.base import Rule, Violation

MOST_FINDINGS = 1000  # of one rule: nobody reads more, and each takes some kilobytes and some lines of a report


@dataclass
class Judging:
    """One experiment while it is judged.

    Attributes:
        verdict: filled in.
        rules: those that run.
        ran: the ids of the rules of the stages that are wanted.
        texts: of the experiment's files, by path.
        notebooks: those among them, by path.
        facts: None until the experiment has been read.
        left_out: findings beyond `MOST_FINDINGS`, by rule and severity.
        is_cut_short: the time was up before everything was looked at.
    """

    verdict: Verdict
    rules: list[Rule] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    notebooks: dict[str, Notebook] = field(default_factory=dict)
    facts: Facts | None = None
    left_out: dict[str, Counter[Severity]] = field(default_factory=dict)
    is_cut_short: bool = False

    def judge(self, stage: Stage, lacking: Collection[str] = ()) -> str:
        """Let the rules of a stage speak; why the first of them could not, empty if all could.

        Args:
            stage: see there.
            lacking: facts that there are not, for a reason that is told elsewhere: rules that ask for one are left out.
        """
        assert self.facts is not None
        failures: dict[str, list[str]] = {}
        known = {finding.fingerprint for finding in self.verdict.findings}
        for rule in (rule for rule in self.rules if rule.speaks_at(stage) and not set(rule.facts) & set(lacking)):
            try:
                violations = without_copies(self._kept(rule, self.facts.call(rule.find)), self._lines)
            except Exception as error:
                reason = str(error) if isinstance(error, StageError) else f"{type(error).__name__}: {error}"
                failures.setdefault(reason, []).append(rule.id)
            else:
                found = (rule.finding(violation, self._line(violation.location), stage) for violation in violations)
                # What an earlier stage saw is one finding.
                self.verdict.findings.extend(finding for finding in found if stage is rule.stage or finding.fingerprint not in known)
        self.verdict.undecided += [f"{', '.join(ids)} could not run: {reason}" for reason, ids in failures.items()]
        return next(iter(failures), "")

    def _kept(self, rule: Rule, violations: Iterable[Violation]) -> Iterator[Violation]:
        """Yield what a rule found, as far as it is kept.

        All of it is examined, since the last finding may be the one that blocks.
        """
        found: set[tuple[Location, str]] = set()
        left_out = Counter[Severity]()
        for violation in violations:
            key = (violation.location, violation.message)
            if key in found or len(found) < MOST_FINDINGS:
                found.add(key)
                yield violation
            else:
                left_out[rule.weigh(violation)[0]] += 1
        if left_out:
            self.left_out[rule.id] = left_out

    def _lines(self, path: str) -> list[str]:
        return _lines(self.texts.get(path, ""))

    def _line(self, place: Location) -> str:
        lines = self._lines(place.path)
        return lines[place.line - 1] if place.line and place.line <= len(lines) else ""


@lru_cache(maxsize=16)
def _lines(text: str) -> list[str]:
    return split_lines(text)
