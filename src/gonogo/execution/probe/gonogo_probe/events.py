"""What the probe says to the gate: one class for each kind of event, named as on the channel.

Both sides import this file: the probe makes the events, the gate checks what came against these very fields and types. It needs nothing
but the standard library, and Python 3.9. A place is the path of a file in the experiment's tree and a line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

Place = tuple[str, int]
MOST_STEPS = 8  # of an optimizer that the probe looks at


@dataclass
class Head:
    """What comes before every event: who said it, and when.

    Attributes:
        kind: the name of the event's class.
        pid: the process; `n`: the number of its event; `at`: the time of day in seconds.
        fork_of: the process that it is a fork of, and has the counts of.
    """

    kind: str
    pid: int
    n: int
    at: float
    fork_of: int | None = None


# -- the process ---------------------------------------------------------------------------------------------------------------------------


@dataclass
class Started:
    """The probe watches a process."""

    argv: list[str]
    parent: int
    mode: str = ""


@dataclass
class Ended:
    """A process ends in an ordinary way; memory in bytes, processor time in seconds."""

    peak_memory: int
    cpu: float


@dataclass
class Child:
    """A process starts a program."""

    argv: list[str] | str
    place: Place | None = None

    @property
    def command(self) -> str:
        """Its beginning, as a list is shown."""
        return str(self.argv)[:300]


@dataclass
class Written:
    """Files were opened to be written."""

    paths: list[str]


@dataclass
class Hosts:
    """Machines were asked for something."""

    hosts: list[str]


@dataclass
class OwnFiles:
    """Files of the experiment that were imported, of any program."""

    paths: list[str]


@dataclass
class ProbeFailed:
    """A library could not be watched."""

    module: str
    error: str


# -- exceptions ----------------------------------------------------------------------------------------------------------------------------


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
class Failed:
    """An exception that nothing caught, with its causes."""

    chain: list[Raised]
    thread: bool = False


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


# -- the config ----------------------------------------------------------------------------------------------------------------------------


@dataclass
class TaskBegun:
    """Hydra calls the task function."""

    function: str = ""
    place: Place | None = None


@dataclass
class Config:
    """Keys of the config that were read, whose section was read as a whole, or that were written."""

    read: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)


@dataclass
class Bounded:
    """Amounts that were lowered: name, old and new."""

    keys: list[tuple[str, int | float | str | None, int | float | str]]


# -- data ----------------------------------------------------------------------------------------------------------------------------------


@dataclass
class Loader:
    """A data loader: where it was made and used, and how many batches each pass over it gave.

    Also what networks did with the batches.

    Attributes:
        length: how many batches there are; `rows`: of the data; `seconds`: that each of the first batches took, with what was done with it.
        used_batches: for each pass, with how many batches a network ran; after how many the next one was asked for, where none ran.
        number: tells loaders of a process apart.
        backwards_left: backward passes after it was left with its first batch (`next(iter(loader))`), until another batch was taken.
        alike: how many of the first batches were looked at, where all of them are the same, number by number; else 0.
        digests: numbers by which the first batches are known from each other, where several processes share the work.
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
    number: int = 0
    alike: int = 0
    backwards_left: int = 0
    digests: list[int | None] = field(default_factory=list)


@dataclass
class Loop:
    """A loop of the experiment's own code that ran a network.

    It holds the loop's role, how often it was entered, and the most iterations of one entry.

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
class Contents:
    """What was in the batches of a loader, or in what a network was given, by tensor.

    Attributes:
        source: the loader's number, or the class of the network; `name`: of the tensor in a batch.
        moments: mean and standard deviation of each channel, where there are few.
        classes: how many different numbers there were, where they look like labels; `counts`: how often each of the most frequent came.
    """

    source: str
    name: str
    batches: int
    dtype: str
    shapes: list[str]
    rows: int
    not_finite: int = 0
    low: float | None = None
    high: float | None = None
    moments: list[tuple[float | None, float | None]] = field(default_factory=list)
    classes: int = 0
    counts: list[tuple[int | float | str | bool, int]] = field(default_factory=list)


@dataclass
class SharedRows:
    """Rows that two loaders both have: how many, and how many each has."""

    loaders: tuple[int, int]
    shared: int
    rows: tuple[int, int]


@dataclass
class Rows:
    """Which loaders have the same rows, and what was learned from which.

    As far as the rows are arrays in memory: from which of them networks learned that were scored on which.

    Attributes:
        sets: of each loader whose rows are known: its number, that of its set of different rows, and how many rows it has.
        sizes: how many rows each set has; `overlaps`: how many rows two of them have in common.
        scored: pairs of loaders: a network learned from the first, and was called afterwards on the second without learning.
        labelled: loaders with whose labels a loss compared that gradients were computed of.
    """

    sets: list[tuple[int, int, int]]
    sizes: list[int]
    overlaps: list[tuple[int, int, int]]
    scored: list[tuple[int, int]]
    labelled: list[int]


@dataclass
class StandIn:
    """A stand-in was used: for which source, and what it is."""

    what: str
    source: str = ""
    place: Place | None = None


@dataclass
class Unreachable:
    """Something is neither here nor has a stand-in of its own.

    Attributes:
        source: the function that was asked; `name`: what for; `reason`: why it can't be had.
        assumed: what it is taken for, which has a stand-in.
        nowhere: whether there is surely no such thing.
    """

    source: str
    name: str = ""
    reason: str = ""
    assumed: str = ""
    nowhere: bool = False
    place: Place | None = None


# -- networks and training -----------------------------------------------------------------------------------------------------------------


@dataclass
class Counts:
    """Counts of forward passes, backward passes, optimizer steps and batches of answers.

    Batches with one answer for all rows are counted as well.
    """

    forwards: int = 0
    forwards_training: int = 0
    backwards: int = 0
    steps: int = 0
    answers: int = 0
    answers_alike: int = 0


@dataclass
class Network:
    """A network that ran: how many parameters it holds, and how many of them are trained.

    Also whether it is a part of a network that ran before.
    """

    name: str
    parameters: int
    trainable: int
    part: bool
    place: Place | None = None


@dataclass
class Labels:
    """What a language model that shifts its labels itself was given as labels while it was trained.

    Attributes:
        name: its class; `place`: where it was called; `calls`: how many calls were looked at.
        used: labels that count; `same`: those that are the word at their place; `ahead`: those that are the word behind it, or the last.
        blank: those of padding, but for the first of a text, where they are the word at their place.
    """

    name: str
    place: Place | None = None
    calls: int = 0
    used: int = 0
    same: int = 0
    ahead: int = 0
    blank: int = 0


@dataclass
class Odd:
    """Something that the numbers of a run show to be wrong, or that was looked at and found right.

    Attributes:
        what: what was looked at; a rule knows what it means.
        name: of what it concerns; `place`: where.
        looked: how often it was looked at; `wrong`: how often it was wrong; `details`: numbers to it.
    """

    what: str
    name: str = ""
    place: Place | None = None
    looked: int = 0
    wrong: int = 0
    details: list[str] = field(default_factory=list)


@dataclass
class Rank:
    """One of several processes that train together.

    Attributes:
        rank: its number; `world`: how many there are.
        through: calls of networks through a wrapper that averages gradients; `around`: training calls of what it holds, past it.
        reduced: tensors that were gradients and were summed up over all processes by the code itself.
        place: of the first call past the wrapper.
    """

    rank: int
    world: int
    through: int = 0
    around: int = 0
    reduced: int = 0
    place: Place | None = None


@dataclass
class Answers:
    """Answers over a number of classes.

    It holds rows, how often each class was the answer, and rows with a number that is not finite.
    """

    classes: int
    rows: int = 0
    histogram: list[int] = field(default_factory=list)
    broken: int = 0


class Loss(NamedTuple):
    """A number that a backward pass began at; a text where it is not finite."""

    value: float | str
    path: str
    line: int


@dataclass
class Losses:
    """The first losses, in order."""

    values: list[Loss]


class Prediction(NamedTuple):
    """A call of a network that does not train it.

    It holds two sums over the output, and the pass over a loader in which it happened (-1: none).
    """

    loader: int
    number: int
    sums: tuple[float, float]
    place: Place | None = None


@dataclass
class Predictions:
    """The first predictions, in order."""

    values: list[Prediction]


@dataclass
class Optimizer:
    """An optimizer, and what its first steps did.

    Attributes:
        parameters: how many tensors it holds; `trainable` of them wanted gradients when it was made.
        without: steps at which no tensor had a gradient; `zero`: at which all gradients were zero; `still`: which changed nothing.
        rates: learning rates at the last step that was looked at; `made_with`: when it was made.
        changed: names of what its first steps changed, with the kind of module (`layer1.0.bn1.weight`, `BatchNorm2d.weight`).
        scheduled: whether a scheduler was made for it; `scaled`: whether a gradient scaler steps it.
        uncleared: steps whose gradients were added to those of the step before; `thrown`: how often gradients were cleared before a step.
        stale: tensors that it holds, no network has, and never had a gradient; `unheld`: parameters with gradients that no optimizer holds.
        graded: of one that never stepped, whether there were gradients; `moved`: whether something changed all the same.
        twins: calls of networks since its first step that do not train and have all the values its parameters began with; `heirs`: others.
        apart: whether such a call was of a network that holds nothing of what its steps changed.
        flat: such calls of networks all of whose tensors that it changed are one number throughout, which they were not; `uneven`: others.
        start: a sum over its parameters before the first step; `updates`: over what each of the first steps added to them.
        groups: of the last step that was looked at, for each part of the networks: name, tensors, numbers, those with a gradient, its norm.
        number: tells optimizers of a process apart.
        below: the lowest learning rate at any step, where one was negative.
        stuck: pairs of matrices, one after the other in a product, which are zero throughout, as all their gradients were.
    """

    place: Place | None
    name: str
    parameters: int
    trainable: int
    steps: int = 0
    without: int = 0
    zero: int = 0
    still: int = 0
    rates: list[float] = field(default_factory=list)
    made_with: list[float] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)
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
    groups: list[tuple[str, int, int, int, float | str]] = field(default_factory=list)
    number: int = 0
    below: float = 0.0
    stuck: list[str] = field(default_factory=list)

    @property
    def looked(self) -> int:
        """How many of its steps were looked at."""
        return min(self.steps, MOST_STEPS)


@dataclass
class Changed:
    """More names of what an optimizer's first steps changed; what the optimizer's event leaves out."""

    number: int
    names: list[tuple[str, str]]


@dataclass
class Gradients:
    """An optimizer's `groups`, which its event leaves out."""

    number: int
    groups: list[tuple[str, int, int, int, float | str]]


@dataclass
class Units:
    """Units behind ReLU modules, and those that were zero for every row."""

    layers: int
    units: int
    dead: int


@dataclass
class Fit:
    """A scikit-learn estimator was fitted.

    It holds the shape and type of its inputs, and how often each class occurred.
    """

    name: str
    method: str
    place: Place | None = None
    shape: str = ""
    dtype: str = ""
    not_finite: int | None = None
    classes: int | None = None
    counts: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Altered:
    """How often a challenge altered what, and why it could not alter the rest."""

    counts: dict[str, int]
    left: dict[str, str]


# -- the search, the tracker, files of results ---------------------------------------------------------------------------------------------


@dataclass
class Searched:
    """Of an Optuna study: `optimize` was called, a `trial` began, or one had a `value`."""

    what: str
    place: Place | None = None


@dataclass
class Suggested:
    """A trial was asked for a parameter."""

    name: str


@dataclass
class Tracking:
    """An event of a run of the wandb client.

    It is `init`, `init-failed`, `finish`, or `step-back`, a step before the last one.

    Attributes:
        mode: the client's; `id`, `entity`, `project`: the run's; `error`: why it could not begin.
        step: that was given; `last`: the one that may come next.
    """

    what: str
    place: Place | None = None
    mode: str | None = None
    id: str | None = None
    entity: str = ""
    project: str = ""
    error: str = ""
    step: int | None = None
    last: int | None = None


class Logged(NamedTuple):
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
class LoggedKeys:
    """Keys that were logged since the last time."""

    keys: list[Logged]


@dataclass
class Figure:
    """Matplotlib wrote a figure."""

    path: str
    place: Place | None = None


#: What a fork of a watched process is heard of: what else it counts, it began to count as a copy of that process.
OF_FORKS = (Config, Figure, Child, Written, Hosts, StandIn, Unreachable)
KINDS = {
    kind.__name__: kind
    for kind in (
        *(Started, Ended, Child, Written, Hosts, OwnFiles, ProbeFailed, Failed, Caught, TaskBegun, Config, Bounded),
        *(Loader, Loop, Contents, SharedRows, Rows, StandIn, Unreachable, Counts, Network, Labels, Odd, Rank, Answers, Losses, Predictions),
        *(Optimizer, Changed, Gradients, Units, Fit, Altered, Searched, Suggested, Tracking, LoggedKeys, Figure),
    )
}
