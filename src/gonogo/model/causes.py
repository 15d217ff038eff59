"""Findings of one cause, which reports and the list of issues show as one, with all its places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gonogo.model.finding import Change, Finding, Location


@dataclass(frozen=True)
class Shared:
    """Findings that have the same cause, or one finding; all of the same severity."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The finding that stands for all."""
        return self.findings[0]

    @property
    def is_one(self) -> bool:
        """Whether there is only one finding, which then tells more than its cause."""
        return len(self.findings) == 1

    @property
    def rules(self) -> str:
        """The ids of the rules."""
        return ", ".join(dict.fromkeys(finding.rule for finding in self.findings))

    @property
    def runs(self) -> list[str]:
        """The runs concerned, each once; none where it is all of them, or no matter of runs."""
        return list(dict.fromkeys(run for finding in self.findings for run in finding.runs))

    @property
    def message(self) -> str:
        """What is wrong."""
        return self.first.message if self.is_one or self.first.cause is None else self.first.cause.message

    @property
    def action(self) -> str:
        """What to do, and where, if that is known and elsewhere."""
        action = self.first.action if self.is_one or self.first.cause is None else self.first.cause.action
        places = [place for place in self.changed if not self.is_one or str(place) != str(self.first.location)]
        return f"{action} at {_listed(places)}" if places else action

    @property
    def location(self) -> Location:
        """Where to begin: what is to be changed, else what is wrong."""
        own = self.first.fix
        return self.first.location if self.is_one or own is None else min(own.changes, key=_order).location

    @property
    def changed(self) -> list[Location]:
        """The places that the fixes of all findings change, in the order of files and lines."""
        found = {change for finding in self.findings if finding.fix for change in finding.fix.changes}
        return list(dict.fromkeys(change.location for change in sorted(found, key=_order)))

    @property
    def seen_at(self) -> str:
        """The places of all findings, in short, each with what it has of its own."""
        items = (f" {finding.cause.item}" if finding.cause is not None and finding.cause.item else "" for finding in self.findings)
        return ", ".join(f"{finding.location}{item}" for finding, item in zip(self.findings, items, strict=True))


def _order(change: Change) -> tuple[str, int, int]:
    return change.location.path, change.location.line or 0, change.location.column or 0


def by_cause(findings: Iterable[Finding]) -> list[Shared]:
    """Findings of one cause together, where the first of them stands; others by themselves.

    The finding that is the cause itself, and so has nothing of its own to add to it, comes first.
    """
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        groups.setdefault((finding.severity, finding.cause.key) if finding.cause is not None else number, []).append(finding)
    return [Shared(tuple(sorted(group, key=lambda each: bool(each.cause and each.cause.item)))) for group in groups.values()]


def _listed(places: Iterable[Location]) -> str:
    """Places in short: each path once, with its lines."""
    lines: dict[str, dict[int, None]] = {}
    for place in places:
        lines.setdefault(place.path, {}).update({place.line: None} if place.line is not None else {})
    return ", ".join(f"{path}:{','.join(map(str, numbers))}" if numbers else path for path, numbers in lines.items())
