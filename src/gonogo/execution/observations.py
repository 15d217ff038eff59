"""What was seen while an experiment ran. Nothing here is a judgement: that is for the rules of the stages `trial` and `rehearse`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Place = tuple[str, int]
Frame = tuple[str, int, str]  # path, line and function
MOST_STEPS = 8  # of an optimizer that the probe looks at
# Functions in which a process waits for one that it started.
_WAITS = {"wait", "_wait", "_try_wait", "communicate", "_communicate", "poll", "select", "waitpid", "join"}


@dataclass
class Raised:
    """One exception of a chain.

    Attributes:
        frames: the experiment's own frames as (path, line, function), outermost first.
        own: whether the experiment's own line raised it.
        raised_in: else the library's file and function that did.
    """

    type: str
    module: str
    message: str
    frames: list[tuple[str, int, str]]
    own: bool
    raised_in: str = ""

    @property
    def place(self) -> Place | None:
        """The experiment's innermost line."""
        return self.frames[-1][:2] if self.frames else None

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass
class Loader:
    """A data loader: where it was made and used, how many batches each pass over it gave, and what networks did with them.

    Attributes:
        length: how many batches there are; `rows`: of the data; `seconds`: that each of the first batches took, with what was done with it.
        used_batches: for each pass, with how many batches a network ran; after how many the next one was asked for, where none ran.
    """

    place: Place | None
    batch_size: int | None
    passes: int
    batches: list[int]
    used: list[Place]
    forwards: int = 0
    backwards: int = 0
    used_batches: list[int] = field(default_factory=list)
    length: int | None = None
    rows: int | None = None
    seconds: list[float] = field(default_factory=list)


@dataclass
class Loop:
    """A loop of the experiment's own code that ran a network: its role, how often it was entered, most rounds of one entry.

    Attributes:
        length: how many rounds it would go, None where nobody knows.
        seconds: that each of the first rounds took.
    """

    place: Place
    role: str
    times: int
    batches: int
    length: int | None = None
    seconds: list[float] = field(default_factory=list)


@dataclass
class Optimizer:
    """An optimizer, and what its first steps did.

    Attributes:
        parameters: how many tensors it holds; `trainable` of them wanted gradients when it was made.
        without: steps at which no tensor had a gradient; `zero`: at which all gradients were zero; `still`: which changed nothing.
        changed: names of what its first steps changed, with the kind of module (`layer1.0.bn1.weight`, `BatchNorm2d.weight`).
        made_with: learning rates when it was made; `rates` at the last step that was looked at.
        scheduled: whether a scheduler was made for it; `scaled`: whether a gradient scaler steps it.
        uncleared: steps whose gradients were added to those of the step before; `thrown`: how often gradients were cleared before a step.
        stale: tensors that it holds, no network has, and never had a gradient; `unheld`: parameters with gradients that no optimizer holds.
        graded: of one that never stepped, whether there were gradients; `moved`: whether something changed all the same.
        twins: calls of networks since its first step that do not train and have all the values its parameters began with; `heirs`: others.
        apart: whether such a call was of a network that holds nothing of what its steps changed.
        flat: such calls of networks all of whose tensors that it changed are one number throughout, which they were not; `uneven`: others.
        groups: of the last step that was looked at, for each part of the networks: name, tensors, numbers, those with a gradient, its norm.
        start: a sum over its parameters before the first step; `updates`: over what each of the first steps added to them.
    """

    place: Place | None
    name: str
    parameters: int
    trainable: int
    steps: int
    without: int
    zero: int
    still: int
    rates: list[float]
    changed: list[tuple[str, str]] = field(default_factory=list)
    made_with: list[float] = field(default_factory=list)
    scheduled: bool = False
    scaled: bool = False
    uncleared: int = 0
    thrown: int = 0
    stale: list[str] = field(default_factory=list)
    unheld: list[str] = field(default_factory=list)
    graded: bool = False
    moved: bool = False
    twins: int = 0
    heirs: int = 0
    apart: bool = False
    twin_place: Place | None = None
    flat: int = 0
    uneven: int = 0
    flat_place: Place | None = None
    start: float | str | None = None
    updates: list[float | str] = field(default_factory=list)
    groups: list[list[Any]] = field(default_factory=list)

    @property
    def looked(self) -> int:
        """How many of its steps were looked at."""
        return min(self.steps, MOST_STEPS)


@dataclass
class Prediction:
    """A call of a network that does not train it: two sums over what it put out, and the pass over a loader it was in (-1: none)."""

    loader: int
    number: int
    sums: tuple[float, float]
    place: Place | None = None


@dataclass
class Logged:
    """A key logged by the wandb client; `summary:` before its name where it went into the summary.

    Attributes:
        last: the last finite number.
        turn: number of the last call that logged it, counted over all keys.
        nan: how often it was NaN, but for NaNs that the code put there.
    """

    key: str
    rows: int
    last: float | None
    not_finite: int
    place: Place | None
    turn: int
    nan: int = 0

    @property
    def is_no_number(self) -> bool:
        """Whether it was NaN and never a number."""
        return self.nan > 0 and self.last is None


@dataclass
class Happened:
    """Something that happened once: `what`, where, and the rest of it."""

    what: str
    place: Place | None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Caught:
    """An exception that the experiment's own code caught.

    Attributes:
        place: of the handler; `raised`: of the experiment's line that raised it or led to it.
        times: how often; `forwards` and `backwards`: passes in the blocks until then; `steps_after`: optimizer steps since the last time.
        goes_on: whether the handler never raises and never ends the program.
    """

    place: Place | None
    type: str
    message: str
    raised: Place | None
    times: int
    forwards: int
    backwards: int
    steps_after: int
    goes_on: bool


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
    loaders: dict[int, Loader] = field(default_factory=dict)
    loops: dict[Place, Loop] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    answers: dict[int, Happened] = field(default_factory=dict)
    losses: list[tuple[float | str, str, int]] = field(default_factory=list)
    optimizers: dict[int, Optimizer] = field(default_factory=dict)
    predictions: list[Prediction] = field(default_factory=list)
    caught: dict[tuple[Place | None, str], Caught] = field(default_factory=dict)
    altered: dict[str, int] = field(default_factory=dict)
    unaltered: dict[str, str] = field(default_factory=dict)
    networks: list[Happened] = field(default_factory=list)
    searches: list[Happened] = field(default_factory=list)
    suggestions: list[Happened] = field(default_factory=list)
    tracking: list[Happened] = field(default_factory=list)
    logged: dict[str, Logged] = field(default_factory=dict)
    figures: list[Happened] = field(default_factory=list)
    seeds: list[Happened] = field(default_factory=list)
    contents: dict[tuple[str, str], Happened] = field(default_factory=dict)
    shared_rows: list[Happened] = field(default_factory=list)
    fits: list[Happened] = field(default_factory=list)
    units: Happened | None = None
    own_files: list[str] = field(default_factory=list)
    children: list[Happened] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    standins: list[Happened] = field(default_factory=list)
    unreachable: list[Happened] = field(default_factory=list)
    failures: list[list[Raised]] = field(default_factory=list)
    probe_failures: list[str] = field(default_factory=list)
    started: float = 0.0
    ended: float | None = None
    marks: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    cpu: float = 0.0

    @property
    def puts_out_no_numbers(self) -> bool:
        """Whether a network put out values that are not finite."""
        return any(answers.data.get("broken") for answers in self.answers.values())


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
        tree: the folder of its copy of the experiment.
        output: the last lines, as (stream, text).
        stacks: of one whose time was up, by process: its frames at that time, the innermost first.
    """

    label: str
    argv: list[str] = field(default_factory=list)
    pid: int | None = None
    code: int | None = None
    signal: int | None = None
    late: bool = False
    unsettled: str = ""
    lent: bool = False
    is_any_program: bool = False
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

    def children(self) -> list[Happened]:
        """The programs that its processes started."""
        return [child for process in self.processes.values() for child in process.children]

    def total(self, count: str) -> int:
        """A count over all processes: forwards, forwards_training, backwards or steps."""
        return sum(process.counts.get(count, 0) for process in self.processes.values())

    def failure(self) -> list[Raised] | None:
        """What made it fail, as far as the probe saw: of the process that failed first, which is a child where there is one."""
        found = [(process.started, chain) for process in self.processes.values() for chain in process.failures]
        deepest = max(found, key=lambda entry: entry[0], default=None)
        return deepest[1] if deepest else None

    def was_at(self) -> list[Frame]:
        """Where it was when its time was up: the stack of the process that was started last of those that wait for no other."""
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
        seen = [happened.what for run in self.runs.values() for process in run.processes.values() for happened in process.standins]
        return list(dict.fromkeys(seen))
