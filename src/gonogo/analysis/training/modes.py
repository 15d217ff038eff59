"""Train and eval mode: which one a network is in where it is applied."""

from __future__ import annotations

from enum import Enum

from gonogo.analysis.dataflow.blocks import Called, Event, Happening
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.flow import Flow
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value
from gonogo.analysis.training.acts import Act, Does, act_of
from gonogo.analysis.training.gradients import computed_by
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.objects import each, parts_of
from gonogo.analysis.training.sensitive import PRETRAINED


class In(Enum):
    """The mode of a network, and whether it learned in it."""

    TRAIN = "train"
    TRAINED = "train, and it has learned"
    EVAL = "eval"
    UNKNOWN = "unknown"


Fact = tuple[Value, In]


class ModeFlow(Flow[Fact]):
    """Follows the mode of every network of a program that is switched or applied.

    Attributes:
        networks: that are followed.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        switched = [entry.act for entry in program.known(acts) if entry.act.does in (Does.TRAIN, Does.EVAL, Does.MODE)]
        self.networks = {one for act in switched for one in each(act.on) if kind_of(one) is Kind.MODEL}
        learning = [entry.act.on for entry in program.known(acts) if entry.act.does is Does.COMPUTES]
        self.learned = {loss: set(computed_by(program, loss)) for loss in learning}
        self.networks |= {one for used in self.learned.values() for one in used if isinstance(one, Instance) or _is_whole(one)}

        self.made: dict[int, list[Value]] = {}  # by the expression that makes them
        for network in self.networks:
            self.made.setdefault(id(network.node), []).append(network)

    def follow(self) -> None:
        """Go through the program."""
        if self.networks:
            self.run(self.program.body, frozenset((network, _begins_in(network)) for network in self.networks))

    def modes_at(self, entry: Happening, network: Value) -> list[set[In]]:
        """Return the modes that a network may be in each time an event is reached.

        That is once for the first iteration of a loop and once for the second.
        """
        return [{mode for other, mode in state if other is network} for state in self.visits.get(entry, ())]

    def step(self, entry: Happening, state: frozenset[Fact]) -> frozenset[Fact]:
        """The modes after an event."""
        new = self._made_by(entry)
        if new:
            return frozenset(fact for fact in state if fact[0] not in new) | {(network, _begins_in(network)) for network in new}
        act = act_of(entry)
        if act is None:
            return state
        if act.does is Does.APPLIES:
            if self.networks & each(act.on):
                self.note(entry, state)
        elif act.does in (Does.TRAIN, Does.EVAL, Does.MODE):
            return self._switched(act, state)
        elif act.does is Does.COMPUTES:
            used = self.learned.get(act.on, set())
            return frozenset((one, In.TRAINED if mode is In.TRAIN and one in used else mode) for one, mode in state)
        return state

    def _made_by(self, entry: Happening) -> set[Value]:
        """The networks that an event makes: another one each time that it is come by."""
        if not isinstance(entry, (Called, Event)):
            return set()
        found = set()
        for network in self.made.get(id(entry.call.node), ()):
            call = network.made if isinstance(network, Instance) else network
            if call is entry.call or (isinstance(network, Instance) and network.shallow and isinstance(entry, Event)):
                found.add(network)
        return found

    def _switched(self, act: Act, state: frozenset[Fact]) -> frozenset[Fact]:
        mode = {Does.TRAIN: In.TRAIN, Does.EVAL: In.EVAL}.get(act.does, In.UNKNOWN)
        targets = each(act.on)
        sure = act.sure and len(targets) == 1
        whole = {part for one in targets for part in parts_of(self.program, one)}
        changed: set[Fact] = set()
        for network, before in state:
            if network in whole:
                changed.add((network, mode))
                if not sure:
                    changed.add((network, before))
            else:
                changed.add((network, before))
                if targets & parts_of(self.program, network):
                    changed.add((network, In.UNKNOWN))  # only a part of it was switched
        return frozenset(changed)


def mode_flow(program: Program) -> ModeFlow:
    """The modes of a program's networks, followed once."""
    flow = ModeFlow(program)
    flow.follow()
    return flow


def _is_whole(value: Value) -> bool:
    """Whether a library's object is a network of its own rather than one layer."""
    return isinstance(value, Call) and (value.short == "Sequential" or PRETRAINED.match(value.name) is not None)


def _begins_in(network: Value) -> In:
    """The mode that a network is made in."""
    if isinstance(network, Instance):
        return In.UNKNOWN if network.cls.has_unknown_base() else In.TRAIN
    if isinstance(network, Call) and "from_pretrained" not in network.name and (_is_whole(network) or network.name.startswith("torch.nn.")):
        return In.TRAIN
    return In.EVAL if isinstance(network, Call) and network.short == "from_pretrained" else In.UNKNOWN
