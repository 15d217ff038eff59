"""One of several known values, where it is not known which."""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import reduce

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Items, Spread, Value, Walk
from gonogo.analysis.interpreter.memory import Alternatives
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, UNHANDLED, NoDefault, Unhandled

MAX_JOINED = 64
NOT_NUMBERS = frozenset({"numpy.nan", "math.nan", "numpy.NaN", "numpy.NAN", "pandas.NA"})


class Choice(Value):
    """One of several values."""

    __slots__ = ("values",)
    never_none = False

    def __init__(self, values: Sequence[Value]) -> None:
        self.values = tuple(values)

    def alternatives(self) -> Sequence[Value]:
        """The values that it may be."""
        return self.values

    def truth(self) -> bool | None:
        """What all say."""
        answers = {value.truth() for value in self.values}
        return answers.pop() if len(answers) == 1 else None

    def is_none(self) -> bool | None:
        """Whether it is None, which one of them may be."""
        return None if any(value.is_none() is not False for value in self.values) else False

    def identity(self) -> Hashable:
        """A choice among the same values is the same."""
        return (Choice, *(value.identity() for value in self.values))

    def _each(self, walk: Walk, action: Callable[[Value], Value]) -> Value:
        """Do something with each, without believing that any of them must be the one."""
        with walk.state.doubtful():
            return joined([action(value) for value in self.values if not value.is_none()])

    def _all(self, walk: Walk, action: Callable[[Value], None]) -> None:
        """Do something that may change each."""
        with walk.state.doubtful(), walk.state.maybe():
            for value in self.values:
                action(value)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A member of each."""
        return self._each(walk, lambda value: value.member(walk, name, at, default, kind))

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """An item of each."""
        return self._each(walk, lambda value: value.item(walk, key, at))

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """A call of each."""
        return self._each(walk, lambda value: value.call(walk, given, at))

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """It may be set in each."""
        self._all(walk, lambda each: each.set_member(walk, name, value, at))

    def delete_member(self, walk: Walk, name: str, at: ast.AST) -> None:
        """It may be deleted from each."""
        self._all(walk, lambda each: each.delete_member(walk, name, at))

    def set_item(self, walk: Walk, key: Value, value: Value, at: ast.AST) -> None:
        """It may be set in each; where neither the mapping nor the key is known, nothing is taken to change."""
        if key.constant() is not NOT_KNOWN:
            self._all(walk, lambda each: each.set_item(walk, key, value, at))

    def delete_item(self, walk: Walk, key: Value, at: ast.AST) -> None:
        """It may be deleted from each."""
        self._all(walk, lambda each: each.delete_item(walk, key, at))

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """What the operator makes of each."""
        return self._operated([value.binary(walk, op, other) for value in self.values])

    def reflected(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """What the operator makes of each."""
        return self._operated([other.binary(walk, op, value) for value in self.values])

    @staticmethod
    def _operated(results: list[Value | Unhandled]) -> Value | Unhandled:
        if all(result is UNHANDLED for result in results):
            return UNHANDLED
        return joined(UNKNOWN if result is UNHANDLED else result for result in results)

    def spread(self, walk: Walk) -> Spread:
        """Any of them: all may be read."""
        self.escape(walk)
        return Spread(open=True)

    def iterate(self, walk: Walk) -> Items:
        """What each gives, which is more than any one of them does."""
        return Items([item for value in self.values for item in value.iterate(walk).values], False)

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """All of them may be read."""
        for value in self.values:
            value.escape(walk, depth + 1)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """All of them leave the experiment."""
        if depth < 2:
            for value in self.values:
                value.release(walk, depth + 1)
        self.escape(walk)


def join(left: Value, right: Value) -> Value:
    """Return a value that is one of two.

    It is the value itself if both are the same, a `Choice` if either is an object, and something unknown otherwise.
    """
    if isinstance(left, Alternatives):
        return left.memory.over([left, right], lambda values: join(*values))
    if isinstance(right, Alternatives):
        return right.memory.over([left, right], lambda values: join(*values))
    if left.same_as(right):
        return left
    if left.outlasts != right.outlasts and is_stand_in(right if left.outlasts else left):
        return left if left.outlasts else right
    values: dict[Hashable, Value] = {}
    for value in (*left.alternatives(), *right.alternatives()):
        value = UNKNOWN if value.unknown else value
        values.setdefault(value.identity(), value)
    found = list(values.values())
    if len(found) == 1:
        return found[0]
    most = [value.choices for value in found if value.choices]
    return Choice(found) if most and len(found) <= min(most) else UNKNOWN


def is_stand_in(value: Value) -> bool:
    """Whether a value is what code puts in where a number is missing: a constant, None, NaN."""
    return value.constant() is not NOT_KNOWN or value.is_none() is True or value.outside_name() in NOT_NUMBERS


def joined(values: Iterable[Value]) -> Value:
    """One value for several, unknown for none."""
    found = list(values)
    return reduce(join, found) if found else UNKNOWN


def any_of(walk: Walk, values: Sequence[Value]) -> Value:
    """A value that stands for any of several; where too many are possible, all of them may be read."""
    found = joined(values) if len(values) <= MAX_JOINED else UNKNOWN
    if found.unknown:
        lose(walk, values)
    return found


def lose(walk: Walk, values: Iterable[Value]) -> None:
    """Values are no longer kept track of, so all of them may be read from now on."""
    for value in values:
        if not value.inert:
            value.escape(walk)
