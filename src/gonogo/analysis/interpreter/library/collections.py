"""Dicts of `collections`: what they hold keeps where it came from."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Spread, Value, Walk
from gonogo.analysis.interpreter.library.builtins import content_of
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN
from gonogo.analysis.interpreter.values.choice import join
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.scalar import NONE
from gonogo.analysis.interpreter.values.varied import settled


@LIBRARY.call("collections.OrderedDict")
def ordered_dict(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OrderedDict(value, key=…)`: it may be filled in ways that are not followed, so it counts as open."""
    return Mapping(content_of(walk, given, given.positional[:1], open=True))


class DefaultDict(Mapping):
    """A dict that makes what is asked for; `factory` makes it."""

    __slots__ = ("factory",)

    def __init__(self, content: Spread, factory: Value) -> None:
        super().__init__(content)
        self.factory = factory

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """What is under a key, new where nothing was."""
        if self.key_of(key) is NOT_KNOWN:
            walk.memory.set(self, "open", True)
        if self.contains(walk, key, at) is not False or self.factory.is_none() is not False:
            return super().item(walk, key, at)
        self.set_item(walk, key, self.factory.call(walk, Arguments(), at), at)
        return super().item(walk, key, at)

    def shallow(self, walk: Walk) -> Mapping:
        """`mapping.copy()`."""
        return DefaultDict(self.content(), self.factory)

    def copied(self, walk: Walk, config: bool | None = None, parent: Value | None = None) -> Value:
        """A deep copy, in which any key may be there."""
        found = super().copied(walk, config)
        walk.memory.set(found, "open", True)
        return found


@LIBRARY.call("collections.defaultdict")
def default_dict(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`defaultdict(factory, value, key=…)`: any key is there once it is asked for."""
    content = content_of(walk, given, given.positional[1:2])
    return DefaultDict(content, settled(given.get(0, "default_factory", NONE)))


class Chain(Mapping):
    """A ChainMap, which is no dict."""

    @property
    def is_dict(self) -> bool:
        """It is none."""
        return False

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """Of a dict it is not; of the abstract mappings it is."""
        return False if names == {"dict"} else True if "ChainMap" in names else None


@LIBRARY.call("collections.ChainMap")
def chain_map(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ChainMap(first, …)`: the first that has a key gives it; only the first is written to."""
    content = content_of(walk, Arguments(), [], open=given.open)
    for value in reversed(given.positional):
        value = settled(value)
        content.take(value.entries(walk) if isinstance(value, Mapping) else value.spread(walk), join)
    content.open = True
    first = settled(given.positional[0]) if given.positional else None
    if isinstance(first, Mapping):  # what is written to the chain goes there
        walk.memory.set(first, "open", True)
        walk.memory.set(first, "written", None)
    return Chain(content)
