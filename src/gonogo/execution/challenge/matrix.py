"""What a challenge found: each number against each alteration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gonogo.execution.challenge.numbers import Values
from gonogo.execution.observations import SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Place

EVALUATION_SUBJECT = "evaluation"  # of the numbers that no run, but the evaluation wrote


class Alteration(StrEnum):
    """What is altered."""

    AGAIN = "again"  # nothing: the same seed once more
    SEED = "seed"
    LABELS = "labels"  # of evaluation, in another order
    INPUTS = "inputs"
    OUTPUTS = "outputs"
    TRACKER = "tracker"  # what it returns to the evaluation
    MISSING = "missing"  # a run that the evaluation asks for


class State(StrEnum):
    """What an alteration did to a number."""

    MOVED = "moved"
    SAME = "same"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Cell:
    """What happened to a number.

    It holds the other values where the number moved, and the reason where nothing was tried.
    """

    state: State
    reason: str = ""
    values: Values = ()


@dataclass
class Number:
    """One number of a run, or of the evaluation.

    Attributes:
        subject: the run's id, or `evaluation`.
        name: the key under which it is logged, `path: key` in a file, or what the probe calls it.
        values: in the rehearsal.
        cells: by alteration.
    """

    subject: str
    name: str
    values: Values
    cells: dict[Alteration, Cell] = field(default_factory=dict)

    def state(self, alteration: Alteration) -> State:
        """What an alteration did to it."""
        cell = self.cells.get(alteration)
        return cell.state if cell is not None else State.NOT_TRIED


@dataclass(frozen=True)
class Leak:
    """The first prediction that moved with the labels of its own evaluation.

    It holds its number, its place, and its sums with either labels.
    """

    run_id: str
    place: Place | None
    call: int
    before: tuple[float, float]
    after: tuple[float, float]


@dataclass(frozen=True)
class Network:
    """How many calls of a network on other inputs gave something else, and how many did not."""

    run_id: str
    name: str
    moved: int
    same: int


@dataclass
class ChallengeSeen:
    """A whole challenge.

    Attributes:
        rehearsal: what everything is compared with.
        sessions: by alteration.
        numbers: of every run, and of the evaluation.
        leaks: predictions that moved with the labels.
        networks: what was called on other inputs.
        marked: runs of which predictions were made right about some rows and wrong about the others, at least once.
        wrong: those of which all predictions were, most rows wrong, among more than two classes.
        reasons: why an alteration was not tried at all, by alteration and subject.
    """

    rehearsal: SessionSeen
    sessions: dict[Alteration, SessionSeen] = field(default_factory=dict)
    numbers: list[Number] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    marked: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    reasons: dict[Alteration, str] = field(default_factory=dict)

    def of(self, subject: str) -> list[Number]:
        """The numbers of a run, or of the evaluation."""
        return [number for number in self.numbers if number.subject == subject]
