"""What the `_target_` of a config names.

It is known as far as it is the project's own and the tree alone determines it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from gonogo.analysis.project.distributions import providers
from gonogo.analysis.python.modules import Function
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.signatures import Signature, of_class, of_function
from gonogo.analysis.python.symbols import Definition, Symbols
from gonogo.model.experiment import Experiment

KEY = "_target_"
# Keys that `instantiate` keeps for itself.
RESERVED = frozenset({KEY, "_args_", "_recursive_", "_convert_", "_partial_"})
Path = tuple[str, ...]
# Where a package is named that is there, if only after an installation.
_SPEAKING = (".py", ".toml", ".txt", ".cfg", ".md")
_NO_CONFIG = re.compile(r"^(?:dependencies|channels|jobs|services):", re.MULTILINE)


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


def namesake(dotted: str, symbols: Symbols, experiment: Experiment) -> str | None:
    """Return what the project has under the last part of a name whose package is not there.

    None where the package may be there.

    It is not there where nothing but configs speaks of it: no file, import, requirement, build or manual.
    """
    top, *rest = dotted.split(".")
    if not rest or top in symbols.holders or top in sys.stdlib_module_names or providers(top) or symbols.may_be_alias(dotted):
        return None
    found = [f"{module.name}.{rest[-1]}" for module in symbols.modules.values() if rest[-1] in module.definitions]
    near = {top, top.replace("_", "-")}
    if not found or (experiment.root is not None and experiment.root.name in near):
        return None  # something of a library; or the folder may itself be the package
    named = re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(map(re.escape, near)))})(?![\w-])", re.IGNORECASE)
    for path, file in experiment.files.items():
        if file.text is None and path.endswith(_SPEAKING):
            return None  # it was not read
        is_config = path.endswith((".yaml", ".yml")) and not _NO_CONFIG.search(file.text or "")
        if (not is_config and named.search(file.text or "")) or named.search(path):
            return None
    return max(found, key=lambda name: SequenceMatcher(None, name, dotted).ratio())


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


def lacking(keys: Iterable[str], places: int, signature: Signature) -> list[str]:
    """The parameters without a default that nothing is given for.

    Args:
        keys: what is given by name.
        places: how many arguments are given by place.
        signature: of the target.
    """
    given = {*signature.positional[:places], *keys} - set(signature.positional[places : signature.positional_only])
    return [name for name in (*signature.positional, *signature.keyword_only) if name in signature.required - given]
