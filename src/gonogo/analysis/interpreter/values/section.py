"""Options in sections: mappings whose keys are attributes as well (`cfg.MODEL.NAME`, `cfg["MODEL"]`).

Dicts in them are such mappings, too. `yacs`, `ml_collections`, `easydict`, `munch` and `box` have them, and many projects write one of
their own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Items, Spread, Value, Walk, let_go
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NoDefault
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.lacking import Words
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.options import Options, Set
from gonogo.analysis.interpreter.values.scalar import NONE
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

READS = frozenset({"get", "keys", "values", "items", "copy"})
WRITES = frozenset({"update", "setdefault", "pop", "clear", "popitem"})
MAX_DEPTH = 12


class Section(Options):
    """A mapping whose keys are attributes.

    Attributes:
        title: the keys that lead to it, each with a dot.
    """

    __slots__ = ("title",)
    #: Names that it has besides its keys, and how to speak of a key that is not there; subclasses say more.
    NATIVE = frozenset(dir(dict))
    LACKS = "the config has no key `{title}{{name}}`"
    DEFINE = "define it before it is read: `{title}{{name}}`"
    nests = True  # dicts that are put into it become sections

    def __init__(self, values: dict[str, Value] | None = None) -> None:
        super().__init__(values or {}, self.NATIVE)
        self.name("")

    def name(self, title: str) -> None:
        """Say where it stands."""
        self.title = title
        self.words = Words(self.LACKS.format(title=title), self.DEFINE.format(title=title))

    def alike(self, values: dict[str, Value] | None = None) -> Section:
        """Another one of the same kind."""
        return type(self)(values)

    def fill(self, walk: Walk, content: Value) -> None:
        """Take over a dict as it is given at the start; dicts in it become sections."""
        self.take(walk, content.spread(walk))

    def take(self, walk: Walk, spread: Spread) -> None:
        """Take over keys with their values."""
        if spread.open or spread.maybe or not all(isinstance(key, str) for key in spread.items):
            walk.memory.set(self, "open", True)
        for key, value in spread.items.items():
            self.put(walk, str(key), self.nested(walk, value))

    def nested(self, walk: Walk, value: Value, depth: int = 0) -> Value:
        """What becomes of a value that is put into it."""
        inner = settled(value)
        if not self.nests or not isinstance(inner, Mapping) or depth > MAX_DEPTH:
            return value
        made = self.alike()
        made.fill(walk, inner)
        return made

    def put(self, walk: Walk, name: str, value: Value) -> None:
        """Another value under a key."""
        if isinstance(value, Section) and not value.title:
            value.name(f"{self.title}{name}.")
        super().set_member(walk, name, value, ast.Pass())

    # -- reading ------------------------------------------------------------------------------------------------------

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A key or a method."""
        if name in self.native and name != "__dict__":
            return BoundMethod(self, name)
        return UNKNOWN if name == "__dict__" else super().member(walk, name, at, default, kind)

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """`cfg["KEY"]`."""
        name = key.constant()
        if isinstance(name, str):
            return Options.member(self, walk, name, at)
        self.escape(walk)
        return UNKNOWN

    def iterate(self, walk: Walk) -> Items:
        """Its keys."""
        return self.view().iterate(walk)

    def spread(self, walk: Walk) -> Spread:
        """`**cfg.SECTION`."""
        self.escape(walk)
        return self.view().spread(walk)

    def length(self, walk: Walk) -> int | None:
        """How many keys it has."""
        return self.view().length(walk)

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """It is a dict."""
        return True if "dict" in names else None

    def view(self) -> Mapping:
        """It as a dict."""
        return Mapping.sharing(self.attributes, self.open)  # type: ignore[arg-type]

    # -- writing ------------------------------------------------------------------------------------------------------

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """A key gets a value."""
        walk.state.record(Set(at))
        self.put(walk, name, self.nested(walk, value))

    def set_item(self, walk: Walk, key: Value, value: Value, at: ast.AST) -> None:
        """`cfg["KEY"] = …`."""
        name = key.constant()
        if isinstance(name, str):
            self.put(walk, name, self.nested(walk, value))
        else:
            walk.memory.set(self, "open", True)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a dict; after any other one, no more is known of its keys."""
        if name in READS:
            return self.view().call_method(walk, name, given, at)
        if name == "update" and not given.open and len(given.positional) < 2:
            for value in given.positional:
                self.take(walk, settled(value).spread(walk))
            self.take(walk, Spread(dict(given.keywords.items())))
            return NONE
        if name == "setdefault" and isinstance(given.get(0, "key").constant(), str) and not given.open:
            self.put(walk, str(given.get(0, "key").constant()), UNKNOWN)
            return UNKNOWN
        walk.memory.set(self, "open", True)
        return UNKNOWN

    def clone(self, walk: Walk, depth: int = 0) -> Value:
        """A deep copy."""
        if depth > MAX_DEPTH:
            return UNKNOWN
        values = {key: value.clone(walk, depth + 1) if isinstance(value, Section) else value for key, value in self.attributes.pairs()}
        copy = self.alike(values)
        copy.name(self.title)
        walk.memory.set(copy, "open", not self.is_closed())
        return copy

    def copied(self, walk: Walk, config: bool | None = None, parent: Value | None = None) -> Value:
        """A deep copy."""
        return self.clone(walk)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """Other code may add keys."""
        self.escape(walk)
        self.each(lambda inner: walk.memory.set(inner, "open", True))

    def each(self, action: Callable[[Section], None], depth: int = 0) -> None:
        """Do something with it and with every section below it."""
        action(self)
        for _, value in self.attributes.pairs():
            if isinstance(value, Section) and depth < MAX_DEPTH:
                value.each(action, depth + 1)


def section_of(walk: Walk, made: Section, given: Arguments) -> Value:
    """Return what a dict with attributes is that is made of a mapping and keywords.

    What a file says stays where it stood, so that reads are held against the file.

    Args:
        walk: the interpreter.
        made: an empty one.
        given: what it is made of.
    """
    first = settled(given.positional[0]) if given.positional else NONE
    if isinstance(first, ConfigNode) and not (first.config or given.keywords or given.open):
        return with_attributes(walk, first, made.nests)
    if given.open or len(given.positional) > 1 or (first.is_none() is not True and not isinstance(first, (Mapping, Section))):
        let_go(walk, given)
        walk.memory.set(made, "open", True)
    elif first.is_none() is not True:
        made.take(walk, first.view().spread(walk) if isinstance(first, Section) else first.spread(walk))
    made.take(walk, Spread(dict(given.keywords.items())))
    return made


def with_attributes(walk: Walk, node: ConfigNode, nests: bool) -> ConfigNode:
    """A copy of a dict of a file, with its keys as attributes; `nests`: also in its dicts."""
    copy = node.copied(walk, False)
    pending: list[tuple[Value, int]] = [(copy, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, ConfigNode):
            value.named = True
            inside = [settled(entry) for _, entry in value.items.pairs()]
        else:
            inside = value.values if isinstance(value, Sequence) else []
        if nests and depth < MAX_DEPTH:
            pending += [(settled(entry), depth + 1) for entry in inside]
    return copy
