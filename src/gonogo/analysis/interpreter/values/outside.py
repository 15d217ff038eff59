"""Something from outside the experiment: a library, what it makes, what it returns."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Sequence

from gonogo.analysis.interpreter.base import (
    UNKNOWN,
    AccessKind,
    Arguments,
    Entered,
    Known,
    PlainReader,
    Reach,
    Stretches,
    Value,
    Walk,
    let_go,
)
from gonogo.analysis.interpreter.memory import Alternatives, Diverged
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.trace import Call

MAX_NAME = 120
MAX_NAME_OF_ITEM = 80
MISSING_VALUES = frozenset({"omegaconf.MISSING", "dataclasses.MISSING"})


class Outside(Value):
    """A value known only by how it was reached, such as `optuna.create_study().optimize`.

    That text is its `name`. What libraries do is in `library/`.

    Attributes:
        known: what library models say of it.
    """

    __slots__ = ("_members", "known", "name")
    inert = immutable = unknown = True
    never_none = False
    tells_apart = False

    def __init__(self, name: str, known: Known) -> None:
        self.name = name
        self.known = known
        self._members: dict[str, Value] = {}

    def identity(self) -> Hashable:
        """What was come by in the same way counts as the same."""
        return (Outside, self.name)

    def outside_name(self) -> str:
        """How it was come by."""
        return self.name

    def concatenates(self) -> Stretches | None:
        """It may be a text."""
        return (None,)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A member, of which a library model may know more than the name."""
        found = self._members.get(name)
        return self._member(walk, name, f".{name}") if found is None else found

    def _member(self, walk: Walk, key: str, suffix: str) -> Value:
        found = walk.outside(self.name + suffix) if len(self.name) < MAX_NAME else UNKNOWN
        known = seen(walk, found)
        if known is found:
            self._members[key] = found
        return known

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool | None:
        """Whether it has a member, where it is declared which it has."""
        return name in self.known.members if self.known.members is not None else None

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """An item, which is something from outside as well."""
        return walk.outside(self.name + "[]") if len(self.name) < MAX_NAME_OF_ITEM else UNKNOWN

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """A call: by the library's model if it has one, else the arguments leave the experiment."""
        known = self.known
        if known.watched:
            self._record(walk, given, at)
        result = called(known, walk, given, at)
        if result is not UNHANDLED:
            return result
        if not known.shows:
            let_go(walk, given)
        returned = self._members.get("()")
        return self._member(walk, "()", "()") if returned is None else returned

    def _record(self, walk: Walk, given: Arguments, at: ast.AST) -> None:
        state = walk.state
        for mask, values in snapshots(walk, given.values()):
            with walk.memory.only(mask):
                count = len(given.positional)
                keywords = dict(zip(given.keywords, values[count:], strict=True))
                arguments = tuple(values[:count])
                site, doubtful = state.site(at), state.optional
                state.record(Call(site, self.name, arguments, keywords, given.open, state.loops, doubtful, state.is_searching))

    def enter(self, walk: Walk, at: ast.AST) -> Entered:
        """A context manager, in which an error may do no harm."""
        return Entered(UNKNOWN if self.known.survives else self, survives=self.known.survives)

    def plain(self, reader: PlainReader, depth: int, path: Path) -> object:
        """A mandatory value has a name of its own."""
        return reader.mandatory() if self.name in MISSING_VALUES else reader.open_place()


def called(known: Known, walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """What a library model says of a call; UNHANDLED if there is none, or if it knows no better."""
    model, memory = known.call, walk.memory
    if model is None:
        return UNHANDLED
    if known.reach is Reach.TOGETHER or not any(isinstance(value, Alternatives) for value in given.values()):
        return model(walk, given, at)
    if known.reach is Reach.PURE:
        count = len(given.positional)

        def of_these(values: Sequence[Value]) -> Value | Unhandled:
            return model(walk, Arguments(values[:count], dict(zip(given.keywords, values[count:], strict=True)), given.open), at)

        return memory.over(given.values(), of_these)
    masks = memory.groups(value for value in given.values() if not value.immutable)
    if len(masks) == 1:
        return model(walk, given, at)
    results = memory.each(masks, lambda: model(walk, given.seen(), at))
    if any(result is UNHANDLED for _, result in results):
        memory.agreed((mask, result is UNHANDLED) for mask, result in results)
    return memory.combine(results)  # type: ignore[no-any-return]


def snapshots(walk: Walk, values: Sequence[Value]) -> list[tuple[int, list[Value]]]:
    """Values as they are now, for each group of runs for which they are the same."""
    pending, found = [walk.memory.now], []
    while pending:
        runs = pending.pop(0)
        with walk.memory.only(runs):
            try:
                found.append((runs, [value.snapshot() for value in values]))
            except Diverged as split:
                pending[:0] = split.parts
    return found


def seen(walk: Walk, value: Value) -> Value:
    """What a name outside stands for, where a library model knows."""
    if isinstance(value, Outside) and value.known.attribute is not None:
        return value.known.attribute(walk)
    return value
