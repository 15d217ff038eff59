"""What an evaluation gets of runs from the tracker.

These are numbers that nobody knows beforehand, but it is known which runs they come from.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Known, Value, Walk
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.state import Event, Site
from gonogo.analysis.interpreter.values.outside import MAX_NAME, Outside
from gonogo.analysis.interpreter.values.scalar import Scalar

Runs = frozenset[str]
Sides = tuple["FromRuns", "FromRuns"]
SUMMARIES = (".summary", "._json_dict")
PLAIN = (str, int, float, bool)


@dataclass(frozen=True)
class Gained(Event):
    """The relative gain of one number over another was computed.

    The form is `(ours - theirs) / theirs` or `ours / theirs - 1`.

    Attributes:
        ours: the runs that the one number comes from.
        theirs: those that the other comes from.
        is_same: both are one number of one run.
        key: what both are called in the summaries, None where it is not one name.
    """

    site: Site
    ours: Runs
    theirs: Runs
    is_same: bool
    key: str | None = None


@dataclass(frozen=True)
class AskedOfSummary(Event):
    """A key is asked of the summary of a run, where a missing one ends the evaluation."""

    site: Site
    key: str


class FromRuns(Outside):
    """A value that comes from some runs.

    Attributes:
        runs: their ids.
        key: of the summary, where it is the number under it; None where it is not.
        less: both sides, where it is a difference; `over` where it is a quotient.
    """

    __slots__ = ("key", "less", "over", "runs")
    outlasts = True

    def __init__(
        self, name: str, known: Known, runs: Runs, key: str | None = None, less: Sides | None = None, over: Sides | None = None
    ) -> None:
        super().__init__(name, known)
        self.runs = runs
        self.key = key
        self.less = less
        self.over = over

    def identity(self) -> Hashable:
        """What was come by in the same way from the same runs counts as the same."""
        sides = tuple(tuple(side.identity() for side in pair) for pair in (self.less, self.over) if pair is not None)
        return (FromRuns, self.name, self.runs, self.key, sides)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A member comes from the same runs."""
        return self._part(walk, f".{name}")

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """So does an item."""
        if not self.name.endswith(SUMMARIES):
            return self._part(walk, "[]")
        name, state = key.constant(), walk.state
        if isinstance(name, str) and state.is_certain:
            state.record(AskedOfSummary(state.site(at), name))
        return self._part(walk, "[]", key)

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """So does what a method gives."""
        super().call(walk, given, at)
        is_get = self.name.endswith(tuple(f"{name}.get" for name in SUMMARIES))
        return self._part(walk, "()", given.get(0, "key") if is_get else None)

    def converted(self, kind: type) -> Value:
        """So does the number that is made of it."""
        return self

    def negated(self, op: ast.unaryop) -> Value:
        """So does what has the other sign; it is no gain any more."""
        return self._plain()

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """What is computed of two numbers comes from the runs of both."""
        if not isinstance(other, FromRuns):
            return FromRuns(self.name, self.known, self.runs, less=self.less) if isinstance(op, ast.Mult) else self._plain()
        less = (self, other) if isinstance(op, ast.Sub) else None
        over = (self, other) if isinstance(op, ast.Div) else None
        return FromRuns(self.name, self.known, self.runs | other.runs, less=less, over=over)

    def reflected(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """A plain number on the left: `100 * gain`."""
        if isinstance(op, ast.Mult):
            return FromRuns(self.name, self.known, self.runs, less=self.less)
        return self._plain() if not isinstance(other, FromRuns) else UNHANDLED

    def _plain(self) -> FromRuns:
        return FromRuns(self.name, self.known, self.runs)

    def _part(self, walk: Walk, suffix: str, key: Value | None = None) -> Value:
        if len(self.name) >= MAX_NAME:
            return UNKNOWN
        name = self.name + suffix
        outside = walk.outside(name)
        constant = key.constant() if key is not None else None
        known = outside.known if isinstance(outside, Outside) else self.known
        return FromRuns(name, known, self.runs, constant if isinstance(constant, str) else None)


class FetchedRun(FromRuns):
    """A run that the API gives: its id is known, and so are the settings of its run config."""

    __slots__ = ("settings",)

    def __init__(self, name: str, known: Known, run_id: str, settings: Any) -> None:
        super().__init__(name, known, frozenset([run_id]))
        self.settings = settings

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """Its id, its config, or something that it logged."""
        if name == "id":
            return Scalar(next(iter(self.runs)))
        found = super().member(walk, name, at, default, kind)
        if name == "config" and isinstance(found, FromRuns):
            return Settings(found.name, found.known, self.runs, self.settings, ())
        return found


class Settings(FromRuns):
    """The config of a fetched run, or a section of it.

    It is what the run config says under the same keys, wherever training put that.

    Attributes:
        document: the run config.
        path: the keys so far.
    """

    __slots__ = ("document", "path")

    def __init__(self, name: str, known: Known, runs: Runs, document: Any, path: tuple[str, ...]) -> None:
        super().__init__(name, known, runs)
        self.document = document
        self.path = path

    def identity(self) -> Hashable:
        """The same section of the same run is the same."""
        return (Settings, self.runs, self.path)

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """A setting, or a section."""
        name = key.constant()
        return self._under(name) if isinstance(name, str) else UNKNOWN

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """`config.get`, or a setting."""
        return SettingsGet(self) if name == "get" else self._under(name)

    def has(self, name: str) -> bool:
        """Whether there is something under a key, at the top of a run config or within its `run` section."""
        return self._found((*self.path, name)) is not None

    def _found(self, path: tuple[str, ...]) -> Any:
        for keys in (path, path[1:] if path[:1] == ("run",) else path):
            value = self.document
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return None

    def _under(self, name: str) -> Value:
        path = (*self.path, name)
        found = self._found(path)
        if isinstance(found, PLAIN):
            return Scalar(found)
        return Settings(self.name, self.known, self.runs, self.document, path) if isinstance(found, Mapping) else UNKNOWN


class SettingsGet(Value):
    """`config.get` of a fetched run."""

    __slots__ = ("owner",)
    inert = immutable = True

    def __init__(self, owner: Settings) -> None:
        self.owner = owner

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """Return a setting of the fetched run.

        A default counts as not known where the run config has no such key, since training may have added it.
        """
        name = given.get(0, "key").constant()
        return self.owner.item(walk, given.get(0, "key"), at) if isinstance(name, str) and self.owner.has(name) else UNKNOWN


def note_gain(walk: Walk, left: Value, op: ast.operator, right: Value, at: ast.AST) -> None:
    """Note that a relative gain is computed here, if one is."""
    sides = None
    if isinstance(left, FromRuns) and isinstance(op, ast.Div) and isinstance(right, FromRuns) and left.less is not None:
        sides = left.less if left.less[1].runs == right.runs else None
    elif isinstance(left, FromRuns) and isinstance(op, ast.Sub) and right.constant() == 1:
        sides = left.over
    if sides is not None:
        ours, theirs = sides
        is_same = ours.key is not None and ours.key == theirs.key and ours.runs == theirs.runs and len(ours.runs) == 1
        key = ours.key if ours.key == theirs.key else None
        walk.state.record(Gained(walk.state.site(at), ours.runs, theirs.runs, is_same, key))


def gathered(values: list[Value]) -> FromRuns | None:
    """What one number made of several comes from: None where not all of them come from runs."""
    found = [value for value in values if isinstance(value, FromRuns)]
    if not found or len(found) != len(values):
        return None
    return FromRuns(found[0].name, found[0].known, frozenset().union(*(value.runs for value in found)))
