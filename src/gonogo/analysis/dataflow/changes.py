"""What a program writes again while it runs: attributes, entries and names of modules.

The walk goes through the body of a loop once, and follows a function to its end wherever it may return before. So of what is written
more than once it knows one value of several: no branch may be decided by that value.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function

_FIRST = frozenset({"__init__", "__post_init__", "__new__", "__init_subclass__"})


class Changes(NamedTuple):
    """Names of what is written again.

    Attributes:
        attributes: written outside of `__init__` and class bodies, and at least twice.
        keys: texts and numbers under which a function writes an entry.
        names: of each module, those that a function declares `global` or `nonlocal` and binds.
    """

    attributes: frozenset[str]
    keys: frozenset[str | int]
    names: dict[Module, frozenset[str]]


def changes_of(modules: Iterable[Module]) -> Changes:
    """Find what the modules of a project write again."""
    first: set[str] = set()
    later: dict[str, int] = {}
    keys: set[str | int] = set()
    names: dict[Module, frozenset[str]] = {}
    for module in modules:
        names[module] = frozenset(_outer_names(module))
        first |= set(_first_names(module))
        for name in names[module]:
            later[name] = later.get(name, 0) + 1
        for name, is_first in _attributes(module):
            if is_first:
                first.add(name)
            else:
                later[name] = later.get(name, 0) + 1
        keys |= set(_keys(module))
    return Changes(frozenset(name for name, count in later.items() if count + (name in first) > 1), frozenset(keys), names)


def _outer_names(module: Module) -> Iterator[str]:
    """The names that some function declares `global` or `nonlocal`: it does so to bind them."""
    for node in module.of(ast.Global, ast.Nonlocal):
        yield from node.names


def _first_names(module: Module) -> Iterator[str]:
    """The names that class bodies and the top level of the module bind."""
    for node in module.of(ast.Name):
        if isinstance(node.ctx, ast.Store) and enclosing_function(module, node) is None:
            yield node.id


def _attributes(module: Module) -> Iterator[tuple[str, bool]]:
    """The attributes that are written, and whether where an object is made."""
    for node in module.of(ast.Attribute):
        if isinstance(node.ctx, ast.Store):
            function = enclosing_function(module, node)
            yield node.attr, function is not None and function.name in _FIRST
    for call in module.of(ast.Call):
        if isinstance(call.func, ast.Name) and call.func.id == "setattr" and len(call.args) == 3 and isinstance(call.args[1], ast.Constant):
            yield str(call.args[1].value), False


def _keys(module: Module) -> Iterator[str | int]:
    """The keys of entries that functions write: that may happen more than once, or not at all."""
    for node in module.of(ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(node.ctx, ast.Store) and isinstance(key, (str, int)):
            function = enclosing_function(module, node)
            if function is not None and function.name not in _FIRST:
                yield key
