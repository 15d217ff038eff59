"""Training loops, with what else they do.

A training loop is the innermost loop that computes gradients and steps an optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gonogo.analysis.dataflow.blocks import Called, Event, Happening, Loop, Write
from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value
from gonogo.analysis.training.acts import Act, Does, act_of
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.objects import each, may_be_same

ACTING = (
    "zero_grad", "clear_grad", "zero_", "backward", "manual_backward", "step", "optimizer_step", "train", "eval",
    "super.train", "super.eval",
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """An act, and the event that does it."""

    act: Act
    at: Happening

    @property
    def loops(self) -> list[Loop]:
        """The loops around it, innermost first."""
        return [entry for entry in self.at.around() if isinstance(entry, Loop)]


@dataclass(eq=False)
class TrainingLoop:
    """A loop that computes gradients and steps one optimizer.

    Attributes:
        loop: the innermost that does both.
        optimizer: what is stepped.
        sure: it surely is an optimizer.
        steps: where it is stepped; `computes` where gradients are computed; `clears` where any are cleared.
    """

    program: Program
    loop: Loop
    optimizer: Value
    sure: bool
    steps: list[Done] = field(default_factory=list)
    computes: list[Done] = field(default_factory=list)
    clears: list[Done] = field(default_factory=list)

    def within(self, kind: type[Happening]) -> Iterator[Happening]:
        """Everything of a kind that happens within the loop."""
        return (entry for entry in self.program.all(kind) if self.loop in entry.around())


def acts(program: Program) -> list[Done]:
    """Every act of a program but applications of networks, in no particular order."""
    return list(program.gather(_acts))


def _acts(contents: Contents) -> Iterator[Done]:
    events = [event for name in ACTING for event in contents.events.get(name, ())]
    for entry in (*events, *contents.of(Write)):
        act = act_of(entry)
        if act is not None and act.does is not Does.APPLIES:
            yield Done(act, entry)


def applications(program: Program) -> list[Done]:
    """Where networks are applied."""
    return list(program.gather(_applications))


def _applications(contents: Contents) -> Iterator[Done]:
    events = [event for listed in contents.events.values() for event in listed]
    for entry in (*contents.of(Called), *events):
        act = act_of(entry)
        if act is not None and act.does is Does.APPLIES:
            yield Done(act, entry)


def outermost(done: list[Done]) -> list[Done]:
    """Applications of networks that are not part of another's."""
    return [entry for entry in done if not any(isinstance(around, Called) and around.applied is not None for around in entry.at.around())]


def training_loops(program: Program) -> list[TrainingLoop]:
    """The training loops of a program, one for each optimizer that is stepped."""
    done = program.known(acts)
    computes = [entry for entry in done if entry.act.does is Does.COMPUTES]
    clears = [entry for entry in done if entry.act.does is Does.CLEARS]
    loops_of = {entry.at: entry.loops for entry in [*computes, *clears]}
    found: dict[tuple[Loop, Value], TrainingLoop] = {}
    for step in (entry for entry in done if entry.act.does is Does.STEPS):
        loop = next((loop for loop in step.loops if any(loop in loops_of[entry.at] for entry in computes)), None)
        if loop is None:
            continue
        key = (loop, step.act.on)
        if key not in found:
            made = found[key] = TrainingLoop(program, loop, step.act.on, step.act.sure)
            made.computes = [entry for entry in computes if loop in loops_of[entry.at]]
            made.clears = [entry for entry in clears if loop in loops_of[entry.at]]
        found[key].steps.append(step)
    return list(found.values())


def clears_for(loop: TrainingLoop) -> list[Done]:
    """Return where gradients are cleared that may be those of the loop's optimizer.

    That is every place except those that surely belong to another optimizer.

    An optimizer of the project's own may stand around the one that is stepped.
    """
    return [
        entry
        for entry in loop.clears
        if may_be_same(entry.act.on, loop.optimizer)
        or kind_of(entry.act.on) is not Kind.OPTIMIZER
        or any(isinstance(one, Instance) for one in each(entry.act.on))
    ]


def events_in(loop: TrainingLoop) -> Iterator[Event]:
    """Every call within a training loop that is not walked into."""
    return (event for event in loop.program.calls() if loop.loop in event.around())
