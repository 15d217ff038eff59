"""Dicts of `collections`: what they hold keeps where it came from."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.library.builtins import content_of
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.choice import join
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.varied import settled


@LIBRARY.call("collections.OrderedDict")
def ordered_dict(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`OrderedDict(value, key=…)`: it may be filled in ways that are not followed, so it counts as open."""
    return Mapping(content_of(walk, given, given.positional[:1], open=True))


@LIBRARY.call("collections.defaultdict")
def default_dict(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`defaultdict(factory, value, key=…)`: any key is there once it is asked for."""
    return Mapping(content_of(walk, given, given.positional[1:2], open=True))


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
