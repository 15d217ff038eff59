"""Which gradients an optimizer finds when it steps: none, fresh ones, or what nobody knows."""

from __future__ import annotations

from enum import Enum

from gonogo.analysis.dataflow.blocks import Event, Happening, Write
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.flow import Flow
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value
from gonogo.analysis.training.acts import Act, Does, act_of
from gonogo.analysis.training.escapes import escapes, is_unknown_call
from gonogo.analysis.training.gradients import Gradients, computed_by
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.objects import each, holdings, may_be_same, parts_of


class Held(Enum):
    """What the parameters of an optimizer hold as gradients."""

    EMPTY = "none"
    FILLED = "some"
    UNKNOWN = "unknown"


Fact = tuple[Value, Held]


class GradientFlow(Flow[Fact]):
    """Follows the gradients of every optimizer of a program that is known.

    Attributes:
        optimizers: that are followed.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.gradients = program.known(Gradients)
        done = program.known(acts)
        stepped = {entry.act.on for entry in done if entry.act.does is Does.STEPS and entry.act.sure}
        self.optimizers = {one for optimizer in stepped for one in each(optimizer) if kind_of(one) is Kind.OPTIMIZER}
        self._parts: dict[Value, set[Value]] = {}

    def follow(self) -> None:
        """Go through the program."""
        if self.optimizers:
            self.run(self.program.body, frozenset((optimizer, Held.UNKNOWN) for optimizer in self.optimizers))

    def held_at(self, entry: Happening, optimizer: Value) -> set[Held]:
        """What an optimizer may find at its step."""
        return {held for one in each(optimizer) for other, held in self.seen.get(entry, ()) if other is one}

    def step(self, entry: Happening, state: frozenset[Fact]) -> frozenset[Fact]:
        """The gradients after an event."""
        if isinstance(entry, Event) and entry.call in self.optimizers:
            return _set(state, entry.call, Held.EMPTY)
        act = act_of(entry)
        if act is None:
            return self._of_unknown(entry, state)
        if act.does is Does.STEPS:
            self.note(entry, state)
        elif act.does is Does.CLEARS:
            for optimizer in self.optimizers:
                if self._clears(act, optimizer):
                    sure = act.sure and len(each(act.on)) == 1 and (may_be_same(act.on, optimizer) or kind_of(act.on) is Kind.MODEL)
                    state = _set(state, optimizer, Held.EMPTY) if sure else state | {(optimizer, Held.EMPTY)}
        elif act.does is Does.COMPUTES:
            for optimizer in self.optimizers:
                sure = self._reaches(act.on, optimizer)
                state = _set(state, optimizer, Held.FILLED) if sure else state | {(optimizer, Held.FILLED)}
        return state

    def _clears(self, act: Act, optimizer: Value) -> bool:
        if may_be_same(act.on, optimizer):
            return True
        if kind_of(act.on) is not Kind.MODEL:  # an optimizer of the project's own may stand around this one
            return kind_of(act.on) is None or (kind_of(act.on) is Kind.OPTIMIZER and any(isinstance(one, Instance) for one in each(act.on)))
        return self.own_parts(optimizer) <= {part for one in each(act.on) for part in parts_of(self.program, one)}

    def own_parts(self, optimizer: Value) -> set[Value]:
        """The networks whose parameters an optimizer has, with all they hold."""
        if optimizer not in self._parts:
            networks = holdings(optimizer).networks
            self._parts[optimizer] = {part for network in networks for part in parts_of(self.program, network)}
        return self._parts[optimizer]

    def _reaches(self, loss: Value, optimizer: Value) -> bool:
        """Whether gradients surely are of parameters that the optimizer has."""
        return any(parts_of(self.program, one) & self.own_parts(optimizer) for one in computed_by(self.program, loss))

    def _of_unknown(self, entry: Happening, state: frozenset[Fact]) -> frozenset[Fact]:
        """Return the state after code that can't be followed, or that writes gradients by hand.

        Code that can't be followed may compute gradients of what it is given.
        """
        if isinstance(entry, Write):
            return frozenset((one, Held.UNKNOWN) for one in self.optimizers) if entry.key in ("grad", "_grad") else state
        if not isinstance(entry, Event):
            return state
        call = entry.call
        involved = any(kind_of(given) in (Kind.MODEL, Kind.OPTIMIZER) or self.gradients.reaches(given) is True for given in call.given())
        if involved and is_unknown_call(call) and (escapes(entry, call.given()) or call.short in ("backward", "step", "copy_")):
            return frozenset((one, Held.UNKNOWN) for one in self.optimizers)
        return state


def _set(state: frozenset[Fact], optimizer: Value, held: Held) -> frozenset[Fact]:
    return frozenset(fact for fact in state if fact[0] is not optimizer) | {(optimizer, held)}


def gradient_flow(program: Program) -> GradientFlow:
    """The gradients of a program's optimizers, followed once."""
    flow = GradientFlow(program)
    flow.follow()
    return flow
