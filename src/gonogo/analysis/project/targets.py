"""What the `_target_` of a config names, as far as it is the project's own and the tree alone settles it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gonogo.analysis.project.distributions import providers
from gonogo.analysis.python.modules import Function
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.signatures import Signature, of_class, of_function
from gonogo.analysis.python.symbols import Definition, Symbols

KEY = "_target_"
# Keys that `instantiate` keeps for itself.
RESERVED = frozenset({KEY, "_args_", "_recursive_", "_convert_", "_partial_"})
Path = tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """What a dotted name means.

    Attributes:
        missing: the module or package, and the name that it does not have; None where it has all, or that is unknown.
        definition: the function or class, where it is surely that.
    """

    missing: tuple[str, str] | None = None
    definition: Definition | None = None


def targets(config: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings of a config that have a `_target_` in so many words, by path."""
    if isinstance(config, dict):
        name = config.get(KEY)
        if isinstance(name, str) and all(part.isidentifier() for part in name.split(".")):
            yield path, config
        for key, value in config.items():
            yield from targets(value, (*path, str(key)))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from targets(value, (*path, str(index)))


def find_target(dotted: str, symbols: Symbols) -> Target | None:
    """What a dotted name means; None where it is not surely the project's own."""
    top, *rest = dotted.split(".")
    holders = symbols.holders.get(top, set())
    if len(holders) != 1 or top in sys.stdlib_module_names or providers(top) or not rest:
        return None
    folder = next(iter(holders))
    if folder and symbols.is_package(".".join(folder)) and ".".join(folder) in symbols.by_name:
        return None  # within a package: imported under another name
    owner = ".".join((*folder, top))
    for index, name in enumerate(rest):
        if symbols.has_module(f"{owner}.{name}"):
            owner = f"{owner}.{name}"
            continue
        bound = symbols.binds(owner, name)
        if bound is not True:
            return Target(missing=(owner, name)) if bound is False else None
        return Target(definition=symbols.member(owner, name) if index == len(rest) - 1 else None)
    return Target()


def signature_of(definition: Definition, symbols: Symbols) -> Signature | None:
    """How a target is called; None where that is unknown."""
    if isinstance(definition.node, FUNCTIONS):
        function: Function = definition.node
        return of_function(function, in_class=False)
    return of_class(symbols, definition)


def refused_keys(node: dict[str, Any], signature: Signature) -> list[str]:
    """The keys that the target has no parameter for."""
    if signature.takes_any_keyword:
        return []
    nameable = {*signature.positional[signature.positional_only :], *signature.keyword_only}
    return [key for key in node if key not in RESERVED and key not in nameable and key.isidentifier()]
