"""The verdict: findings and stages turned into GO, NO-GO or 'could not decide'."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field, computed_field

from gonogo.model.causes import Shared, by_cause
from gonogo.model.config_use import RunConfig
from gonogo.model.finding import Finding, Severity
from gonogo.model.program_seen import ProgramSeen
from gonogo.system.version import __version__

SCHEMA_VERSION = 3


class Outcome(StrEnum):
    """What the gate answers."""

    GO = "GO"
    NO_GO = "NO-GO"
    UNDECIDED = "UNDECIDED"

    @property
    def exit_code(self) -> int:
        """The process exit code that stands for it."""
        return {Outcome.GO: 0, Outcome.NO_GO: 1, Outcome.UNDECIDED: 3}[self]


class CurveReport(BaseModel):
    """What a run logged under one key, as far as it is finite; of many values some, evenly taken."""

    name: str
    steps: list[float]
    values: list[float]


class AnswersReport(BaseModel):
    """How often networks gave each of a number of classes as their answer."""

    classes: int
    rows: int
    counts: list[int] = Field(description="By class")
    broken: int = Field(default=0, description="Rows with a number that is not finite")


class RunReport(BaseModel):
    """One run of a stage, on the stage's own clock."""

    run: str
    status: str = Field(description="ok, failed or late")
    started: float = Field(default=0.0, description="Seconds since the stage's first run began")
    seconds: float = 0.0
    phases: dict[str, float] = Field(default={}, description="Seconds from the run's start to: task, network, wandb init, wandb finish")
    peak_memory_mb: float = 0.0
    curves: list[CurveReport] = Field(default=[], description="What it logged; a bounded run says nothing about accuracy")
    answers: list[AnswersReport] = Field(default=[], description="What its networks answered, by number of classes")


class StageReport(BaseModel):
    """What became of one stage."""

    name: str
    status: str = Field(description="ran, skipped or failed")
    reason: str = ""
    seconds: float = 0.0
    runs: list[RunReport] = Field(default=[], description="Of a stage that runs the experiment: its runs in order, and the evaluation")
    held_in: dict[str, str] = Field(
        default={}, description="How the experiment was held in: sandbox, what was tried there, limits, real data"
    )
    stand_ins: list[str] = Field(default=[], description="What was made up in the place of data and weights that are not here")


class CellReport(BaseModel):
    """What one alteration did to one number."""

    state: str = Field(description="moved, same or not tried")
    reason: str = Field(default="", description="Why it was not tried, or how it is known")


class NumberReport(BaseModel):
    """A number of a run or of the evaluation, and what each alteration did to it."""

    subject: str = Field(description="The run's id, or evaluation")
    name: str = Field(description="The key it is logged under, `path: key` in a file, or (losses), (updates), (predictions)")
    value: float | None = Field(description="The last value in the rehearsal, None if it is not finite")
    cells: dict[str, CellReport] = Field(description="By alteration: again, seed, labels, inputs, outputs, tracker, missing")


class ChallengeReport(BaseModel):
    """The matrix of a challenge: number by alteration."""

    numbers: list[NumberReport] = []
    not_tried: dict[str, str] = Field(default={}, description="Alterations that could not be tried at all, and why")


class Suppressed(BaseModel):
    """A finding that does not count, who said so, and why."""

    finding: Finding
    by: str = Field(
        description="config (the caller's), repository (its [tool.gonogo]), inline (a comment on the line), exclude or baseline"
    )
    where: str = Field(description="The file, or file and line, that says so")
    reason: str


class ReviewedClaim(BaseModel):
    """What the AI reviewer claimed, and what the facts say of it."""

    kind: str
    path: str
    line: int
    what: str
    standing: str = Field(description="confirmed (a finding says the same), refuted, open, or unquoted (the line it quotes is not there)")
    fact: str = Field(default="", description="What settles it")
    votes: int = Field(default=1, description="How many answers make it")


class ReviewReport(BaseModel):
    """How the AI reviewer was asked, what it took, and every claim that it made."""

    mode: str = Field(description="advise or block")
    model: str
    rung: str = Field(default="", description="The form of structured output that the server knew: schema, object or text")
    samples: int = Field(default=0, description="Answers that could be used")
    cached: int = Field(default=0, description="Answers that were there already")
    repairs: int = Field(default=0, description="Answers that had to be asked for once more")
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = Field(default=None, description="The price, if the caller said what a token costs")
    seconds: float = 0.0
    context_tokens: int | None = Field(default=None, description="What the model holds, if that is known")
    left_out: list[str] = Field(default=[], description="What the prompt had no room for")
    claims: list[ReviewedClaim] = []


class NumberSource(BaseModel):
    """One source of a reported number."""

    origin: str = Field(
        description="model, labels, inputs, data, loss, runs (of the tracker), files, config, constant, random, clock or unknown"
    )
    path: str
    line: int


class Number(BaseModel):
    """A number that a script reports, and where the data flow of its value begins."""

    key: str = Field(description="Dots between the parts of a nested key, `*` for what is not known of it")
    how: str = Field(description="logged (to W&B), summary (of the run at W&B) or written (as JSON)")
    path: str
    line: int
    origins: list[str] = Field(description="Kinds of the sources of the value")
    decided_by: list[str] = Field(default=[], description="Kinds of what decides between several values, beyond the origins")
    complete: bool = Field(description="Whether there surely are no other sources")
    sources: list[NumberSource] = Field(default=[], description="Where the sources stand, the first few of each kind")


class Verdict(BaseModel):
    """The answer for one experiment. `is_code_ready` and `code_issue` are the contract's two fields."""

    experiment: str = Field(description="The path as it was given")
    contract: str = Field(description="Name of the contract, empty if it did not come to that")
    contract_reason: str = ""
    gonogo_version: str
    runs: list[str] = []
    findings: list[Finding] = Field(default=[], description="What counts; with `suppressed` it is all that was found")
    suppressed: list[Suppressed] = []
    stages: list[StageReport] = []
    docs_url: str = Field(default="", description="Where the caller says that gonogo's documentation is published; reports link to it")
    undecided: list[str] = Field(
        default=[], description="What the gate could not establish although it had to; with any of these it never says GO"
    )
    notes: list[str] = []
    review: ReviewReport | None = None
    challenge: ChallengeReport | None = None
    program: ProgramSeen | None = Field(default=None, description="What a trial of a program saw, which no contract documents")
    numbers: list[Number] = Field(default=[], description="What the scripts report, and where it comes from as far as the code tells")
    configs: list[RunConfig] = Field(
        default=[], description="What each run composes, and who reads it; only where the HTML report is asked for"
    )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_code_ready(self) -> bool:
        """True for GO only."""
        return self.outcome is Outcome.GO

    @computed_field  # type: ignore[prop-decorator]
    @property
    def code_issue(self) -> str:
        """The blocking findings and undecided points, numbered, worst first, one per line.

        The text is empty when the experiment is ready.
        """
        issues = [_issue(shared) for shared in by_cause(self.findings) if shared.first.blocks]
        issues += [f"could not decide: {reason}" for reason in self.undecided]
        return "\n".join(f"{number}. {' '.join(issue.split())}" for number, issue in enumerate(issues, 1))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def schema_version(self) -> int:
        """Version of this JSON; raised when a field changes its meaning or goes."""
        return SCHEMA_VERSION

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """GO only if nothing blocks and everything that had to be established was."""
        if any(finding.blocks for finding in self.findings):
            return Outcome.NO_GO
        return Outcome.UNDECIDED if self.undecided else Outcome.GO

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity is severity for finding in self.findings)


def page_of(docs_url: str, rule: str) -> str:
    """The page of a rule on the site of the documentation; empty where that is not published."""
    return f"{docs_url.rstrip('/')}/rules/{rule}/" if docs_url else ""


def _issue(shared: Shared) -> str:
    seen = "" if shared.is_one else f" (seen at {shared.seen_at})"
    return f"{shared.location} [{shared.rules}] {shared.message}; {shared.action}{seen}"


def undecided(experiment: str, reason: str) -> Verdict:
    """The verdict on an experiment that could not be judged."""
    return Verdict(experiment=experiment, contract="", gonogo_version=__version__, undecided=[reason])
