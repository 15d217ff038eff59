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
    """The stages of the pipeline, cheap to dear."""

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
    """A place in the experiment: a path relative to its root and a 1-based range (None: the whole file)."""

    model_config = ConfigDict(frozen=True)

    path: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


class Related(BaseModel):
    """Another place that explains a finding, with a word on what stands there."""

    model_config = ConfigDict(frozen=True)

    location: Location
    label: str


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
            merged[key] = first.model_copy(update={"runs": runs, "related": related, "severity": worst})
    return sorted(merged.values(), key=Finding.sort_key)
