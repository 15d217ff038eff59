"""Dicts."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gonogo.analysis.interpreter.base import (
    MANY,
    UNKNOWN,
    AccessKind,
    Arguments,
    Constant,
    Items,
    PlainReader,
    Spread,
    Value,
    Walk,
)
from gonogo.analysis.interpreter.endings import ends_the_run
from gonogo.analysis.interpreter.memory import Cells, Field, OrderedCells
from gonogo.analysis.interpreter.sentinels import ABSENT, NO_DEFAULT, NOT_KNOWN, UNHANDLED, NoDefault, NotKnown, Unhandled
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.trace import LacksKey, Raised
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.choice import any_of, join, lose
from gonogo.analysis.interpreter.values.scalar import NONE, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.names import last_name

NEVER = frozenset({"str", "int", "float", "bool", "list", "tuple", "omegaconf.DictConfig"})  # types of which no dict is an instance
MAX_EACH = 2
MAX_BELOW = 3


class Mapping(Value):
    """Keys with their values.

    Attributes:
        items: by key, those that are known.
        origins: for values that came from a config, where they stood there.
        open: it may hold other keys too.
        maybe: keys of `items` that may not be there.
        written: its keys where it was written out in the code and given to nobody who might change it; else None.
    """

    __slots__ = ("_maybe", "_open", "_written", "items", "origins")
    choices = MANY
    open = Field[bool]()
    maybe = Field[frozenset[Constant]]()
    written = Field[frozenset[Constant] | None]()

    def __init__(self, content: Spread | None = None, written_out: bool = False) -> None:
        given = content or Spread()
        self.items: OrderedCells[Constant, Value] = OrderedCells(given.items)
        self.origins: Cells[Constant, Path] = Cells(given.origins)
        self._open: object = given.open
        self._maybe: object = frozenset(given.maybe)
        self._written: object = frozenset(given.items) if written_out else None

    @classmethod
    def sharing(cls, cells: OrderedCells[Constant, Value], open: bool) -> Mapping:
        """A mapping whose items are something else's as well: what `vars(…)` gives."""
        result = cls(Spread(open=open))
        result.items = cells
        return result

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def is_dict(self) -> bool:
        """Whether it is a dict, and not a DictConfig."""
        return True

    def truth(self) -> bool | None:
        """Whether it has keys."""
        keys, maybe = self.items.there(), self.maybe
        if any(key not in maybe for key in keys):
            return True
        return None if self.open or maybe else False

    def length(self, walk: Walk) -> int | None:
        """How many keys it has."""
        return None if self.open or self.maybe else len(self.items.there())

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """It is a dict."""
        return True if "dict" in names else False if names <= NEVER else None

    def plain(self, reader: PlainReader, depth: int, path: Path) -> object:
        """A mapping of plain data."""
        data = {str(key): reader.data(value, depth + 1, (*path, str(key))) for key, value in self.items.pairs()}
        return reader.mapping(data, self.open or bool(self.maybe))

    def content(self) -> Spread:
        """All that it holds, each cell as it is for all runs."""
        return Spread(self.items, self.origins, self.maybe, self.open)

    def config_content(self) -> Spread | None:
        """A dict becomes a node."""
        return self.content()

    def key_of(self, key: Value) -> Constant | NotKnown:
        """The key that a value is; NOT_KNOWN if it is none that is known."""
        return key.constant()

    def lacks(self, key: Constant) -> bool:
        """Return whether reading a key raises `KeyError` for certain.

        It does if the keys are exactly those that were written out and this is none of them.
        """
        written = self.written
        return written is not None and key not in written and written == frozenset(self.items.there())

    # -- reading ------------------------------------------------------------------------------------------------------

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method."""
        return BoundMethod(self, name)

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool | None:
        """Python's own answer for a dict."""
        return name in dir(dict)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a dict."""
        method = METHODS.get(name)
        return method(self, walk, given, at) if method is not None else UNKNOWN

    def look(self, walk: Walk, key: Constant) -> Value:
        """What is under a key, unknown if nothing is; it counts as read from the config if it came from there."""
        value = self.items.look(key)
        if value is ABSENT:
            return UNKNOWN
        origin = self.origins.look(key)
        if origin is not ABSENT:
            walk.state.use(origin)
        return join(value, UNKNOWN) if key in self.maybe else value

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """What is under a key; one that surely is not there is recorded as an exception."""
        wanted = self.key_of(key)
        if wanted is NOT_KNOWN:
            return self.any_value(walk)
        if isinstance(wanted, str) and self.lacks(wanted) and not _may_grow(walk, at) and walk.state.is_inevitable:
            walk.state.record(Raised(walk.state.site(at), walk.state.loops, wanted))
        elif self.is_dict and self.contains(walk, key, at) is False and ends_the_run(walk.state, "KeyError", "LookupError", "Exception"):
            walk.state.record(LacksKey(walk.state.site(at), str(wanted)))
        return self.look(walk, wanted)

    def get(self, walk: Walk, key: Value, default: Value, at: ast.AST) -> Value:
        """`mapping.get(key, default)`."""
        wanted = self.key_of(key)
        if wanted is NOT_KNOWN:
            return join(self.any_value(walk), default)
        if self.items.look(wanted) is not ABSENT:
            value = self.look(walk, wanted)
            return UNKNOWN if wanted in self.maybe else value
        return UNKNOWN if self.open or self.maybe else default

    def any_value(self, walk: Walk) -> Value:
        """What is under a key that is not known."""
        values = [value for _, value in self.rows(walk)]
        return any_of(walk, [*values, UNKNOWN] if self.open else values)

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """Whether a key is there."""
        wanted = self.key_of(item)
        if wanted is NOT_KNOWN:
            return None
        if self.items.look(wanted) is not ABSENT:
            return None if wanted in self.maybe else True
        return None if self.open else False

    def iterate(self, walk: Walk) -> Items:
        """Its keys."""
        return Items([Scalar(key) for key in self.items.there()], not self.open and not self.maybe)

    def rows(self, walk: Walk) -> list[tuple[Constant, Value]]:
        """The keys and values as `items()` gives them."""
        self.use_all(walk)
        return self.items.pairs()

    def entries(self, walk: Walk) -> Spread:
        """All that it holds as another mapping takes it over, which does not read it."""
        return Spread(dict(self.items.pairs()), dict(self.origins.pairs()), self.maybe, self.open)

    def spread(self, walk: Walk) -> Spread:
        """All that it holds, which counts as read."""
        self.use_all(walk)
        return self.entries(walk)

    def use_all(self, walk: Walk) -> None:
        """Whatever came from the config counts as read."""
        for _, origin in self.origins.pairs():
            walk.state.use(origin)

    # -- writing ------------------------------------------------------------------------------------------------------

    def set_item(self, walk: Walk, key: Value, value: Value, at: ast.AST) -> None:
        """Another value under a key."""
        wanted = self.key_of(key)
        if wanted is NOT_KNOWN:
            walk.memory.set(self, "open", True)
        else:
            self.write(walk, wanted, value, at)

    def write(self, walk: Walk, key: Constant, value: Value, at: ast.AST) -> None:
        """Another value under a key that is known."""
        if not walk.state.uncertain:
            walk.memory.drop(self.origins, key)
        self.store(walk, key, value)

    def store(self, walk: Walk, key: Constant, value: Value) -> None:
        """Keep a value under a key, or only perhaps where the code may not run."""
        memory, maybe = walk.memory, self.maybe
        old = self.items.look(key)
        if not walk.state.uncertain:
            if key in maybe:
                memory.set(self, "maybe", maybe - {key})
        elif old is not ABSENT:
            value = join(old, value)
        else:
            memory.set(self, "maybe", maybe | {key})
        memory.put(self.items, key, value)

    def delete_item(self, walk: Walk, key: Value, at: ast.AST) -> None:
        """Take a key out."""
        self.remove(walk, key, NO_DEFAULT, at)

    def remove(self, walk: Walk, key: Value, default: Value | NoDefault, at: ast.AST) -> Value:
        """`mapping.pop(key, default)`."""
        wanted = self.key_of(key)
        if wanted is NOT_KNOWN:
            walk.memory.set(self, "open", True)
            return UNKNOWN
        if self.items.look(wanted) is not ABSENT:
            value = self.look(walk, wanted)
        else:
            value = UNKNOWN if self.open or default is NO_DEFAULT else default
        self.take_out(walk, wanted)
        return value

    def take_out(self, walk: Walk, key: Constant) -> None:
        """Take a key out, or only perhaps where the code may not run, or an error before it is handled."""
        if self.items.look(key) is ABSENT:
            return
        if walk.state.uncertain or walk.state.guarded:
            walk.memory.set(self, "maybe", self.maybe | {key})
        else:
            walk.memory.drop(self.items, key)
            walk.memory.set(self, "maybe", self.maybe - {key})

    def update(self, walk: Walk, value: Value, at: ast.AST) -> None:
        """Take over the keys and values of another mapping."""
        memory, value = walk.memory, settled(value)
        taken = value.entries(walk) if isinstance(value, Mapping) else value.spread(walk)
        if walk.state.uncertain:
            for key, item in taken.items.items():
                self.store(walk, key, item)
            both = Spread({}, {**self.origins, **taken.origins}, self.maybe, self.open or taken.open)
        else:
            both = Spread(dict(self.items.pairs()), self.origins, self.maybe, self.open)
            both.take(taken, join)
            for key in taken.items:
                memory.put(self.items, key, both.items[key])
        memory.replace(self.origins, both.origins)
        memory.set(self, "maybe", frozenset(both.maybe))
        memory.set(self, "open", both.open)

    def forget(self, walk: Walk) -> None:
        """It holds nobody knows what."""
        lose(walk, [value for _, value in self.items.pairs()])
        walk.memory.replace(self.items, {})
        walk.memory.set(self, "open", True)

    # -- the whole ----------------------------------------------------------------------------------------------------

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`|` of two mappings: a new one, whose values still came from where they came from."""
        if not isinstance(op, ast.BitOr) or not isinstance(other, Mapping) or not (self.is_dict and other.is_dict):
            return UNHANDLED
        both = self.entries(walk)
        both.take(other.entries(walk), join)
        return Mapping(both)

    def in_place(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """`|=` updates the mapping itself."""
        if not isinstance(op, ast.BitOr) or not self.is_dict:
            return UNHANDLED
        self.update(walk, other, op)
        return self

    def shallow(self, walk: Walk) -> Mapping:
        """`mapping.copy()`."""
        return Mapping(self.content())

    def copied(self, walk: Walk, config: bool | None = None, parent: Value | None = None) -> Value:
        """A deep copy."""
        content = self.content()
        content.items = walk.memory.copied(content.items, lambda _, value: value.copied(walk, config))
        return Mapping(content)

    def snapshot(self, depth: int = 0) -> Value:
        """The items as they are now."""
        items = {key: value if depth > MAX_EACH else value.snapshot(depth + 1) for key, value in self.items.pairs()}
        return Mapping(Spread(items, dict(self.origins.pairs()), self.maybe, self.open))

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """All of it may be read, and it may be changed."""
        if depth >= MAX_BELOW:
            return
        walk.memory.set(self, "written", None)
        for _, origin in self.origins.pairs():
            walk.state.use_whole(origin)
        for _, value in self.items.pairs():
            value.escape(walk, depth + 1)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """All of its values leave the experiment."""
        if depth < MAX_EACH:
            for _, value in self.items.pairs():
                value.release(walk, depth + 1)
        self.escape(walk)


def _may_grow(walk: Walk, at: ast.AST) -> bool:
    """Whether what a subscript asks may have got more keys from code that was not walked."""
    return not isinstance(at, ast.Subscript) or last_name(at.value) in walk.growing


def _get(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    return owner.get(walk, given.get(0, "key"), given.get(1, "default_value", NONE), at)


def _keys(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    return Sequence([Scalar(key) for key in owner.items.there()], owner.open or bool(owner.maybe), path=owner.loop_path)


def _values(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    return Sequence([value for _, value in owner.rows(walk)], owner.open or bool(owner.maybe), path=owner.loop_path)


def _items(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    rows = [Sequence([Scalar(key), value], kind="tuple") for key, value in owner.rows(walk)]
    return Sequence(rows, owner.open or bool(owner.maybe), path=owner.loop_path)


def _pop(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    return owner.remove(walk, given.get(0, "key"), given.given(1, "default"), at)


def _copy(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    return owner.shallow(walk)


def _setdefault(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    key, value = given.get(0, "key"), given.get(1, "default", NONE)
    if owner.contains(walk, key, at) is True:
        found = owner.items.look(owner.key_of(key))  # type: ignore[arg-type]
        return UNKNOWN if found is ABSENT else found
    owner.set_item(walk, key, value, at)
    return value


def _update(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    for value in given.positional:
        owner.update(walk, value, at)
    for key, value in given.keywords.items():
        owner.write(walk, key, value, at)
    walk.memory.set(owner, "open", owner.open or given.open)
    return NONE


def _clear(owner: Mapping, walk: Walk, given: Arguments, at: ast.AST) -> Value:
    owner.forget(walk)
    return UNKNOWN


#: Methods of dicts.
METHODS: dict[str, Callable[[Mapping, Walk, Arguments, ast.AST], Value]] = {
    "get": _get,
    "keys": _keys,
    "values": _values,
    "items": _items,
    "pop": _pop,
    "copy": _copy,
    "setdefault": _setdefault,
    "update": _update,
    "clear": _clear,
    "popitem": _clear,
}
