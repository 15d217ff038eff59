"""What was observed while an experiment ran.

Nothing here is a judgement: that is for the rules of the stages `trial` and `rehearse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.probe.gonogo_probe.events import Place

Frame = tuple[str, int, str]  # path, line and function
# Functions in which a process waits for one that it started.
_WAITS = {"wait", "_wait", "_try_wait", "communicate", "_communicate", "poll", "select", "waitpid", "join"}


@dataclass
class Process:
    """One Python process of a run, as the probe in it saw it."""

    pid: int
    parent: int
    argv: list[str]
    mode: str = ""
    read: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    written_keys: list[str] = field(default_factory=list)
    bounded: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    loaders: dict[int, events.Loader] = field(default_factory=dict)
    loops: dict[Place, events.Loop] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    answers: dict[int, events.Answers] = field(default_factory=dict)
    labels: dict[str, events.Labels] = field(default_factory=dict)
    odd: dict[tuple[str, str], events.Odd] = field(default_factory=dict)
    rank: events.Rank | None = None
    losses: list[events.Loss] = field(default_factory=list)
    optimizers: dict[int, events.Optimizer] = field(default_factory=dict)
    predictions: list[events.Prediction] = field(default_factory=list)
    caught: dict[tuple[Place | None, str], events.Caught] = field(default_factory=dict)
    altered: dict[str, int] = field(default_factory=dict)
    unaltered: dict[str, str] = field(default_factory=dict)
    networks: list[events.Network] = field(default_factory=list)
    searches: list[events.Searched] = field(default_factory=list)
    suggestions: list[events.Suggested] = field(default_factory=list)
    tracking: list[events.Tracking] = field(default_factory=list)
    logged: dict[str, events.Logged] = field(default_factory=dict)
    figures: list[events.Figure] = field(default_factory=list)
    contents: dict[tuple[str, str], events.Contents] = field(default_factory=dict)
    shared_rows: list[events.SharedRows] = field(default_factory=list)
    rows: events.Rows | None = None
    fits: list[events.Fit] = field(default_factory=list)
    units: events.Units | None = None
    own_files: list[str] = field(default_factory=list)
    children: list[events.Child] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    standins: list[events.StandIn] = field(default_factory=list)
    unreachable: list[events.Unreachable] = field(default_factory=list)
    failures: list[list[events.Raised]] = field(default_factory=list)
    probe_failures: list[str] = field(default_factory=list)
    started: float = 0.0
    ended: float | None = None
    marks: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    cpu: float = 0.0

    @property
    def puts_out_no_numbers(self) -> bool:
        """Whether a network put out values that are not finite."""
        return any(answers.broken for answers in self.answers.values())

    def cut(self) -> list[tuple[Place, int, int]]:
        """Return the passes and loops that were left before their end.

        Of each: where it is, how many rows (of a loop: rounds) it had, and of how many.
        """
        found: list[tuple[Place, int, int]] = []
        for loader in self.loaders.values():
            place, most = loader.used[0] if loader.used else loader.place, max(loader.batches, default=0)
            if place is not None and loader.length is not None and 0 < most < loader.length:
                size = loader.batch_size or 1
                found.append((place, most * size, loader.rows or loader.length * size))
        return [
            *found,
            *((loop.place, loop.batches, loop.length) for loop in self.loops.values() if loop.length and loop.batches < loop.length),
        ]


@dataclass
class RunSeen:
    """One run, or the evaluation.

    Attributes:
        label: the run id.
        pid: the number of its first process, as the run sees it.
        late: whether it was ended because its time was up.
        unsettled: why a failure says nothing, empty if it does.
        lent: whether the environment was the caller's, and not made from what the experiment declares.
        is_any_program: whether it is a program that nobody declared anything of, and no run that a contract documents.
        pretended: whether the probe pretended an accelerator.
        tree: the folder of its copy of the experiment.
        output: the last lines, as (stream, text).
        starved: whether it was ended because it took too much memory.
        stacks: of one whose time was up, or that took too much memory, by process: its frames at that time, the innermost first.
    """

    label: str
    argv: list[str] = field(default_factory=list)
    pid: int | None = None
    code: int | None = None
    signal: int | None = None
    late: bool = False
    starved: bool = False
    unsettled: str = ""
    lent: bool = False
    is_any_program: bool = False
    pretended: bool = False
    tree: str = ""
    ended: bool = False
    seconds: float = 0.0
    started: float = 0.0
    processes: dict[int, Process] = field(default_factory=dict)
    output: list[tuple[str, str]] = field(default_factory=list)
    stacks: dict[int, list[Frame]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and with code 0."""
        return self.ended and self.code == 0 and not self.late

    @property
    def made_up(self) -> bool:
        """Whether it saw data or weights that the gate made up."""
        return any(process.standins for process in self.processes.values())

    def children(self) -> list[events.Child]:
        """The programs that its processes started."""
        return [child for process in self.processes.values() for child in process.children]

    def total(self, count: str) -> int:
        """A count over all processes: forwards, forwards_training, backwards or steps."""
        return sum(process.counts.get(count, 0) for process in self.processes.values())

    def failure(self) -> list[events.Raised] | None:
        """Return what made the run fail, as far as the probe saw.

        It belongs to the process that failed first, which is a child process where there is one.
        """
        found = [(process.started, chain) for process in self.processes.values() for chain in process.failures]
        deepest = max(found, key=lambda entry: entry[0], default=None)
        return deepest[1] if deepest else None

    def was_at(self) -> list[Frame]:
        """Return the stack at the time when the run exceeded its time limit.

        It belongs to the process started last of those that wait for no other.
        """
        own = {pid: frames for pid, frames in self.stacks.items() if any(_is_own(frame) for frame in frames)}
        working = {pid: frames for pid, frames in own.items() if frames[0][2] not in _WAITS}
        started = {pid: self.processes[pid].started if pid in self.processes else 0.0 for pid in own}
        return max((working or own).items(), key=lambda entry: started[entry[0]], default=(0, []))[1]

    def last_place(self) -> Place | None:
        """The experiment's own line that it was at when its time was up."""
        return next((frame[:2] for frame in self.was_at() if _is_own(frame)), None)

    def last_lines(self, count: int = 12) -> str:
        """The end of its output: standard error if there is any."""
        errors = [text for stream, text in self.output if stream == "stderr"]
        return "\n".join((errors or [text for _, text in self.output])[-count:])


def _is_own(frame: Frame) -> bool:
    return not frame[0].startswith("/")


@dataclass
class Tracked:
    """What the local tracker was told of a run."""

    entity: str
    project: str
    id: str
    state: str
    rows: int
    summary: dict[str, Any]
    keys: dict[str, int]
    history: list[dict[str, Any]]


@dataclass
class Evaluated:
    """One more evaluation of the same runs: how it went, and what it wrote."""

    run: RunSeen
    results: dict[str, int] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class SessionSeen:
    """A whole session: the trial, the rehearsal, or one of a challenge.

    Attributes:
        runs: by run id, in order.
        stray: files that appeared in the tree outside the places for such things; of any program, all that appeared.
        results: files that appeared below the folder of results, with their size.
        texts: the texts of JSON files among these, read when they are asked for.
        more: further evaluations by name.
        forged: events that did not come from the probe.
        repeated: runs that failed and were run again with their config as it is; what was seen is of the second time.
        doubts: what keeps the session from being evidence, each in one sentence.
        problem: why the session came to no proper end, empty if it did.
    """

    stage: str
    runs: dict[str, RunSeen] = field(default_factory=dict)
    evaluation: RunSeen | None = None
    stray: list[str] = field(default_factory=list)
    results: dict[str, int] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    more: dict[str, Evaluated] = field(default_factory=dict)
    tracked: list[Tracked] | None = None
    containment: str = ""
    held: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    forged: int = 0
    repeated: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    problem: str = ""
    seconds: float = 0.0
    peak_memory: int = 0

    def tracked_as(self, run_id: str) -> Tracked | None:
        """What the tracker has under a run id."""
        return next((run for run in self.tracked or () if run.id == run_id), None)

    @property
    def made_up(self) -> bool:
        """Whether a run saw data or weights that the gate made up."""
        return any(run.made_up for run in self.runs.values())

    def standins(self) -> list[str]:
        """The stand-ins that runs used, each once."""
        seen = [used.what for run in self.runs.values() for process in run.processes.values() for used in process.standins]
        return list(dict.fromkeys(seen))
