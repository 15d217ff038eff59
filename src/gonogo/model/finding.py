"""Findings: what a rule says about an experiment, and where."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Severity(StrEnum):
    """How much a finding weighs; only `ERROR` turns GO into NO-GO."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Position in a worst-first order, 0 being the worst."""
        return list(Severity).index(self)


class Certainty(StrEnum):
    """How sure a finding is."""

    PROVEN = "proven"  # Hydra, OmegaConf, Python, uv or a run says it
    DERIVED = "derived"  # the interpreter or the syntax tree says it, along paths that are fully known
    LIKELY = "likely"  # signs speak for it; never blocks


class Stage(StrEnum):
    """The stages of the pipeline, cheap to expensive."""

    READ = "read"
    CHECK = "check"
    COMPOSE = "compose"
    TRIAL = "trial"
    REHEARSAL = "rehearsal"
    CHALLENGE = "challenge"
    ADVISE = "advise"

    @property
    def runs_code(self) -> bool:
        """Whether the stage runs the experiment's code."""
        return self in (Stage.TRIAL, Stage.REHEARSAL, Stage.CHALLENGE)


class Location(BaseModel):
    """A place in the experiment: a path relative to its root and a 1-based range (None: the whole file).

    Attributes:
        cell: of a notebook, its place among all cells, from 1; then lines are those of the cell.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    cell: int | None = Field(default=None, description="Of a notebook: its place among all cells, from 1; lines are those of the cell")

    @property
    def source(self) -> str:
        """What holds the lines: the file, or the cell of a notebook."""
        return self.path if self.cell is None else f"{self.path}:cell {self.cell}"

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


class Related(BaseModel):
    """Another place that explains a finding, with a word on what stands there."""

    model_config = ConfigDict(frozen=True)

    location: Location
    label: str


class Change(BaseModel):
    """An edit: a range of a file, whose end is not part of it, and the text that takes its place."""

    model_config = ConfigDict(frozen=True)

    location: Location
    text: str


class Fix(BaseModel):
    """Edits that should remove a finding; `gonogo fix` makes them and looks whether they did."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="What the edits do, an imperative without a full stop")
    changes: tuple[Change, ...]
    is_safe: bool = Field(description="Whether what the code is meant to do surely stays")


class Cause(BaseModel):
    """What several findings have in common: reports show them as one, with all its places."""

    model_config = ConfigDict(frozen=True)

    key: str = Field(description="The same for all findings of one cause")
    message: str
    action: str
    item: str = Field(default="", description="What this finding has of its own, in short; empty for the cause itself")


class Finding(BaseModel):
    """One fault: what is wrong, where, on what evidence, and what to do.

    `runs` names the runs concerned (empty: all, or not a matter of runs).
    `fingerprint` stays the same when lines above are added or removed.
    """

    rule: str
    slug: str
    severity: Severity
    certainty: Certainty = Certainty.DERIVED
    criterion: int | None = Field(default=None, description="The criterion of the contract, 1-9")
    stage: Stage
    message: str
    action: str
    location: Location
    related: list[Related] = []
    runs: list[str] = []
    evidence: str = ""
    cause: Cause | None = Field(default=None, description="Findings with the same cause are shown together")
    fix: Fix | None = Field(default=None, description="Edits that should remove it")
    fingerprint: str = ""
    severity_by_rule: Severity | None = Field(default=None, description="The rule's own severity, where the caller's policy changed it")

    @property
    def blocks(self) -> bool:
        """Whether this finding alone means NO-GO."""
        return self.severity is Severity.ERROR

    def sort_key(self) -> tuple[int, int, str, str, int, int]:
        """Worst first; among equals, composition before style, then by place."""
        stage_rank = 0 if self.stage is Stage.COMPOSE else 1
        place = self.location
        return (self.severity.rank, stage_rank, self.rule, place.path, place.line or 0, place.column or 0)


def fingerprint(rule: str, path: str, line_text: str, message: str) -> str:
    """A short stable hash of a finding that does not depend on its line number."""
    content = "\0".join((rule, path, " ".join(line_text.split()), message))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Make one finding of those that differ only in the run they were seen in, worst first."""
    merged: dict[tuple[str, Location, str], Finding] = {}
    for finding in findings:
        key = (finding.rule, finding.location, finding.message)
        first = merged.get(key)
        if first is None:
            merged[key] = finding
        else:
            runs = list(dict.fromkeys([*first.runs, *finding.runs])) if first.runs and finding.runs else []
            related = list(dict.fromkeys([*first.related, *finding.related]))
            worst = min(first.severity, finding.severity, key=lambda severity: severity.rank)
            update = {"runs": runs, "related": related, "severity": worst}
            # What is right in one run only is no advice.
            update |= {
                "fix": first.fix if first.fix == finding.fix else None,
                "cause": first.cause if first.cause == finding.cause else None,
            }
            merged[key] = first.model_copy(update=update)
    return sorted(merged.values(), key=Finding.sort_key)
