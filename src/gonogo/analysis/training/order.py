"""Which of two things happens first, in the order of the walk."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Block, Branch, Event, Happening
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value


class Order:
    """The place of everything that happens in a program."""

    def __init__(self, program: Program) -> None:
        self._places: dict[Happening, int] = {}
        self._made: dict[Value, int] = {}
        for entry in _all(program.body):
            place = self._places.setdefault(entry, len(self._places))
            if isinstance(entry, Event):
                self._made.setdefault(entry.call, place)

    def place(self, entry: Happening) -> int:
        """The place of an event."""
        return self._places.get(entry, -1)

    def made(self, value: Value) -> int | None:
        """The place of the call that a value is; None where it is no call of the program."""
        return self._made.get(value)


def excludes(one: Happening, other: Happening) -> bool:
    """Whether two things stand in different arms of one branch, so that only one of them happens."""
    places = {around: inner for around, inner in _pairs(one) if isinstance(around, Branch)}
    for around, inner in _pairs(other):
        if isinstance(around, Branch) and around in places and places[around] is not inner:
            arms = [{id(entry) for entry in arm.items} for arm in around.arms]
            first, second = id(places[around]), id(inner)
            return not any(first in arm and second in arm for arm in arms)
    return False


def _pairs(entry: Happening) -> Iterator[tuple[Happening, Happening]]:
    """Everything around something, each with what it holds it by."""
    inner = entry
    for around in entry.around():
        yield around, inner
        inner = around


def _all(block: Block) -> Iterator[Happening]:
    for entry in block.items:
        yield entry
        for inner in entry.blocks():
            yield from _all(inner)
