"""Which of two things happens first, in the order of the walk."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Block, Branch, Event, Happening
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Const, Operation, Value, plain

MOST_ARMS = 2  # of an `if`: taken or not
MAX_DEPTH = 20  # of a condition within a condition


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
    """Return whether two events exclude each other.

    They stand in different arms of one branch, or of two branches with the same condition, so that only one of them happens.
    """
    places = {around: inner for around, inner in _pairs(one) if isinstance(around, Branch)}
    for around, inner in _pairs(other):
        if isinstance(around, Branch) and around in places and places[around] is not inner:
            arms = [{id(entry) for entry in arm.items} for arm in around.arms]
            first, second = id(places[around]), id(inner)
            return not any(first in arm and second in arm for arm in arms)
    mine, others = list(_answers(one)), list(_answers(other))
    return any(_is_same(test, asked) and answer is not given for test, answer in mine for asked, given in others)


def _answers(entry: Happening) -> Iterator[tuple[Value, bool]]:
    """Yield the conditions around an event, each with the answer under which it happens.

    `x is not None` and `not x` are reduced to `x`.
    """
    for around, inner in _pairs(entry):
        if isinstance(around, Branch) and around.test is not None and len(around.arms) == MOST_ARMS:
            holds = [any(inner is held for held in arm.items) for arm in around.arms]
            if holds.count(True) == 1:
                test, is_negated = _reduced(around.test)
                yield test, holds[0] is not is_negated


def _reduced(test: Value) -> tuple[Value, bool]:
    """What a condition asks of, and whether it holds where that does not."""
    test = plain(test)
    if isinstance(test, Operation) and test.operator == "not":
        inner, is_negated = _reduced(test.operands[0])
        return inner, not is_negated
    if isinstance(test, Operation) and test.operator in ("is", "is not", "==", "!=") and _is_nothing(test.operands[-1]):
        return plain(test.operands[0]), test.operator in ("is", "==")
    return test, False


def _is_nothing(value: Value) -> bool:
    value = plain(value)
    return isinstance(value, Const) and value.value is None


def _is_same(one: Value, other: Value, depth: int = 0) -> bool:
    """Whether two conditions are the same: one object, or the same made of the same."""
    one, other = plain(one), plain(other)
    if one is other:
        return True
    if type(one) is not type(other) or depth > MAX_DEPTH:
        return False
    if isinstance(one, Const) and isinstance(other, Const):
        return type(one.value) is type(other.value) and bool(one.value == other.value)
    if isinstance(one, Attribute) and isinstance(other, Attribute):
        return one.name == other.name and _is_same(one.owner, other.owner, depth + 1)
    if isinstance(one, Operation) and isinstance(other, Operation):
        pairs = zip(one.operands, other.operands, strict=False)
        same_shape = one.operator == other.operator and len(one.operands) == len(other.operands)
        return same_shape and all(_is_same(first, second, depth + 1) for first, second in pairs)
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
