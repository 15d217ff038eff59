"""Which distribution an import needs, and what a distribution brings along.

The tables are in `distributions.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    return tomllib.loads((resources.files("gonogo.analysis.project") / "distributions.toml").read_text("utf-8"))


@lru_cache(maxsize=1)
def _providers() -> dict[str, tuple[str, ...]]:
    tables = _tables()
    same = {name: (str(canonicalize_name(name)),) for name in tables["same_name"].split()}
    return same | {name: tuple(names.split()) for name, names in tables["providers"].items()}


@lru_cache(maxsize=1)
def _import_names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, distributions in _providers().items():
        for distribution in distributions:
            found.setdefault(distribution, []).append(name)
    return found


@lru_cache(maxsize=1)
def _plugins() -> frozenset[str]:
    return frozenset(_tables()["plugins"].split())


def providers(import_name: str) -> tuple[str, ...]:
    """Return the distributions that provide an import, the usual one first.

    Empty where the table does not know the import.
    """
    return _providers().get(import_name, ())


def import_names(distribution: str) -> set[str]:
    """The import names of a distribution as far as the table knows, else its own name with underscores."""
    known = _import_names().get(distribution)
    return set(known) if known else {distribution.replace("-", "_")}


def is_known(distribution: str) -> bool:
    """Whether the table knows what a distribution brings along."""
    return distribution in _tables()["brings"]


def mistaken_for(distribution: str) -> str | None:
    """Return the distribution that was intended by a name that can't be installed.

    Empty if none is needed, None for any other name.
    """
    name: str | None = _tables()["mistaken"].get(distribution)
    return name


def closure(distributions: Iterable[str]) -> set[str]:
    """The distributions and all that they bring along, as far as the table knows."""
    brings = _tables()["brings"]
    pending, found = [canonicalize_name(name) for name in distributions], set[NormalizedName]()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(NormalizedName(need) for need in brings.get(name, "").split())
    return set(found)


def is_plugin(distribution: str) -> bool:
    """Whether a distribution does its work without being imported."""
    return (
        distribution in _plugins() or distribution.startswith(("hydra-", "types-", "nvidia-", "pytest-")) or distribution.endswith("-stubs")
    )
