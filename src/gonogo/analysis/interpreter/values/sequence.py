"""Lists, tuples and sets, and whatever else is gone through in order."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from collections.abc import Sequence as PlainSequence

from gonogo.analysis.interpreter.base import MANY, UNKNOWN, AccessKind, Arguments, Items, PlainReader, Value, Walk
from gonogo.analysis.interpreter.memory import Alternatives, Field
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.choice import any_of, lose
from gonogo.analysis.interpreter.values.scalar import NONE, slice_of

NEVER = frozenset({"str", "int", "float", "bool", "dict"})  # types of which no sequence is an instance
MAX_EACH = 2
MAX_BELOW = 3


class Sequence(Value):
    """Values in order.

    Attributes:
        items: those that are known.
        open: there may be others.
        kind: list, tuple or set.
        path: where it stood in the config, if it did.
    """

    __slots__ = ("_items", "_open", "kind", "path")
    choices = MANY
    items = Field[tuple[Value, ...]]()
    open = Field[bool]()

    def __init__(self, items: Iterable[Value] = (), open: bool = False, kind: str = "list", path: Path | None = None) -> None:
        self._items: object = tuple(items)
        self._open: object = open
        self.kind = kind
        self.path = path

    @property
    def values(self) -> list[Value]:
        """The known items as they are for the runs that are being walked."""
        return [item.seen() if isinstance(item, Alternatives) else item for item in self.items]

    @property
    def loop_path(self) -> Path | None:
        """Where it stood."""
        return self.path

    def truth(self) -> bool | None:
        """Whether it has items."""
        return True if self.items else None if self.open else False

    def length(self, walk: Walk) -> int | None:
        """How many items it has."""
        self._use(walk)
        return None if self.open else len(self.items)

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """Whether it is of its own kind; a ListConfig is no list."""
        if self.kind in names and self.path is None:
            return True
        return False if names <= NEVER else None

    def plain(self, reader: PlainReader, depth: int, path: Path) -> object:
        """A list of plain data."""
        return reader.open_place() if self.open else [reader.data(item, depth + 1, (*path, "*")) for item in self.values]

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method."""
        return BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a list; one that is not modelled may do anything to it."""
        method = METHODS.get(name)
        result = method(self, walk, given) if method is not None else UNHANDLED
        if result is not UNHANDLED:
            return result
        self.forget(walk)
        return UNKNOWN

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """An item by its place; any of them where the place is not known."""
        place = key.constant()
        return self.at(place) if place is not NOT_KNOWN else any_of(walk, [*self.values, UNKNOWN] if self.open else self.values)

    def at(self, place: object) -> Value:
        """An item by its place, which may be written as a text."""
        try:
            index = int(place)  # type: ignore[call-overload]
        except (TypeError, ValueError, OverflowError):
            return UNKNOWN
        items = self.items
        if (self.open and (index < 0 or index >= len(items))) or not -len(items) <= index < len(items):
            return UNKNOWN
        item = items[index]
        return item.seen() if isinstance(item, Alternatives) else item  # type: ignore[no-any-return]

    def slice(self, walk: Walk, bounds: PlainSequence[Value | None]) -> Value:
        """A part of it."""
        places = slice_of(bounds)
        if places is None or (self.open and any((place or 0) < 0 for place in (places.start, places.stop, places.step))):
            return Sequence([any_of(walk, self.values)] if self.items else [], True, self.kind, self.path)
        return Sequence(self.items[places], self.open, self.kind, self.path)

    def set_item(self, walk: Walk, key: Value, value: Value, at: ast.AST) -> None:
        """Another item in its place."""
        place, items = key.constant(), self.items
        if type(place) is int and -len(items) <= place < len(items) and not walk.state.uncertain:
            place = place % len(items)
            walk.memory.set(self, "items", (*items[:place], value, *items[place + 1 :]))
        else:
            self.forget(walk)
        if walk.process.argv is self:
            walk.set_argv(self)

    def delete_item(self, walk: Walk, key: Value, at: ast.AST) -> None:
        """One item less."""
        self.forget(walk)

    def iterate(self, walk: Walk) -> Items:
        """Its items."""
        self._use(walk)
        return Items(self.values, not self.open)

    def unpack(self, count: int) -> PlainSequence[Value] | None:
        """Its items, if there are as many."""
        return None if self.open or len(self.items) != count else self.values

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """Whether a plain value is among its items."""
        wanted = item.constant()
        if wanted is NOT_KNOWN:
            return None
        entries = [entry.constant() for entry in self.values]
        if any(entry is not NOT_KNOWN and entry == wanted for entry in entries):
            return True
        return None if self.open or NOT_KNOWN in entries else False

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """Two lists in a row."""
        if not isinstance(op, ast.Add):
            return UNHANDLED
        if isinstance(other, Sequence):
            return Sequence([*self.items, *other.items], self.open or other.open, self.kind)
        return Sequence(self.items, True, self.kind)

    def reflected(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """Something unknown, which must be a list, and this one behind it."""
        if isinstance(op, ast.Add) and other.unknown:
            return Sequence(self.items, True, self.kind)
        return UNHANDLED

    def in_place(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`+=` extends a list."""
        if not isinstance(op, ast.Add):
            return UNHANDLED
        self.extend(walk, other)
        return self

    def extend(self, walk: Walk, value: Value) -> None:
        """Add the items of something at the end."""
        items, complete = value.iterate(walk)
        if walk.state.uncertain or not complete:
            walk.memory.set(self, "open", True)
        else:
            walk.memory.set(self, "items", (*self.items, *items))

    def forget(self, walk: Walk) -> None:
        """It holds nobody knows what."""
        lose(walk, self.values)
        walk.memory.set(self, "items", ())
        walk.memory.set(self, "open", True)

    def copied(self, walk: Walk, config: bool | None = None, parent: Value | None = None) -> Value:
        """A deep copy."""
        return Sequence([item.copied(walk, config) for item in self.items], self.open, self.kind, self.path)

    def snapshot(self, depth: int = 0) -> Value:
        """The items as they are now."""
        items = self.values if depth > MAX_EACH else [item.snapshot(depth + 1) for item in self.items]
        return Sequence(items, self.open, self.kind, self.path)

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """All of it may be read."""
        if self.path is not None:
            walk.state.use_whole(self.path)
        if depth < MAX_BELOW:
            for item in self.items:
                item.escape(walk, depth + 1)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """All of its items leave the experiment."""
        if depth < MAX_EACH:
            for item in self.items:
                item.release(walk, depth + 1)
        self.escape(walk)

    def _use(self, walk: Walk) -> None:
        if self.path is not None:
            walk.state.use(self.path)


def _append(owner: Sequence, walk: Walk, given: Arguments) -> Value | Unhandled:
    if not given.positional:
        return UNHANDLED
    if walk.state.uncertain:
        walk.memory.set(owner, "open", True)
    else:
        walk.memory.set(owner, "items", (*owner.items, given.positional[0]))
    return NONE


def _extend(owner: Sequence, walk: Walk, given: Arguments) -> Value | Unhandled:
    owner.extend(walk, given.get(0, "object"))
    return NONE


def _insert(owner: Sequence, walk: Walk, given: Arguments) -> Value | Unhandled:
    place = given.get(0, "object").constant()
    if len(given.positional) != 2 or type(place) is not int or walk.state.uncertain:
        return UNHANDLED
    items = list(owner.items)
    items.insert(place, given.positional[1])
    walk.memory.set(owner, "items", tuple(items))
    return NONE


def _copy(owner: Sequence, walk: Walk, given: Arguments) -> Value | Unhandled:
    return Sequence(owner.items, owner.open, owner.kind, owner.path)


def _place(owner: Sequence, walk: Walk, given: Arguments) -> Value | Unhandled:
    return UNKNOWN


#: Methods of lists.
METHODS: dict[str, Callable[[Sequence, Walk, Arguments], Value | Unhandled]] = {
    "append": _append,
    "extend": _extend,
    "insert": _insert,
    "copy": _copy,
    "index": _place,
    "count": _place,
}
