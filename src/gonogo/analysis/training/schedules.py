"""Learning-rate schedulers: of which optimizer, counted in steps or epochs, stepped where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gonogo.analysis.dataflow.blocks import Loop
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, plain
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import Done, TrainingLoop, acts, training_loops
from gonogo.analysis.training.made import schedulers_made
from gonogo.analysis.training.objects import each, may_be_same
from gonogo.analysis.training.uses import ancestry

PLATEAU = "ReduceLROnPlateau"
# Options that say how long a schedule is.
LENGTHS = ("T_max", "total_steps", "steps_per_epoch", "num_training_steps", "T_0", "total_iters")


@dataclass(eq=False)
class Schedule:
    """A scheduler that the program makes.

    Attributes:
        made: the call that makes it.
        optimizer: whose learning rate it sets.
        steps: where it is stepped.
        loops: training loops that step its optimizer.
    """

    made: Call
    optimizer: Value | None
    steps: list[Done] = field(default_factory=list)
    loops: list[TrainingLoop] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The last part of the name of its class or function."""
        return self.made.short

    @property
    def length(self) -> Value | None:
        """How long it is told to be."""
        return next((self.made.keywords[name] for name in LENGTHS if name in self.made.keywords), self._by_place())

    def _by_place(self) -> Value | None:
        places = {"CosineAnnealingLR": 1, "get_linear_schedule_with_warmup": 2, "get_cosine_schedule_with_warmup": 2, "OneCycleLR": 2}
        place = places.get(self.name)
        return self.made.argument(place) if place is not None else None

    @property
    def is_by_batches(self) -> bool:
        """Whether its length is counted in batches: made of the length of a loader."""
        if "steps_per_epoch" in self.made.keywords:
            return True
        return self.length is not None and any(_is_length_of_loader(value) for value in ancestry(self.length))


def _is_length_of_loader(value: Value) -> bool:
    call = plain(value)
    return isinstance(call, Call) and call.name == "len" and bool(call.arguments) and kind_of(call.arguments[0]) is Kind.LOADER


def schedules(program: Program) -> list[Schedule]:
    """The schedulers that a program makes for optimizers that it steps itself."""
    return list(_schedules(program))


def _schedules(program: Program) -> Iterator[Schedule]:
    steps = [done for done in program.known(acts) if done.act.does is Does.SCHEDULES]
    for made in program.gather(schedulers_made):
        if made.short in ("AveragedModel", "ChainedScheduler"):
            continue
        optimizer = made.argument(0, "optimizer")
        mine = [done for done in steps if made in each(done.act.on)]
        loops = [loop for loop in program.known(training_loops) if optimizer is not None and may_be_same(loop.optimizer, optimizer)]
        yield Schedule(made, optimizer, mine, loops)


def is_within_batches(schedule: Schedule, step: Done) -> bool:
    """Return whether a step of the scheduler is in the loop that steps the optimizer.

    Then it happens once per batch, or more rarely under a condition.
    """
    return any(loop.loop in step.at.around() for loop in schedule.loops)


def epochs_of(loop: TrainingLoop) -> Loop | None:
    """The loop around a training loop."""
    return next((entry for entry in loop.loop.around() if isinstance(entry, Loop) and entry.kind in ("for", "while")), None)


def is_sequence_part(program: Program, made: Call) -> bool:
    """Whether a scheduler is part of another one, which steps it."""
    others = [other for other in program.gather(schedulers_made) if other is not made]
    if any(value is made for other in others for given in other.given() for value in ancestry(given)):
        return True
    return any(isinstance(owner, Instance) and owner.cls.name.lower().find("warmup") >= 0 for owner in program.own_fields)
