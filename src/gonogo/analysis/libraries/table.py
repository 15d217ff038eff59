"""What libraries have: names of modules, attributes and methods of objects, and signatures.

The signatures are those of functions, classes and methods.

The table `objects.json` is made by `benchmarks/library_objects.py` from several versions of each library: it has what any of them has.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from packaging.version import InvalidVersion, Version

from gonogo.analysis.project.pyproject import parse_requirement
from gonogo.analysis.python.signatures import Signature, from_arguments

NOTHING = " -> None"
WRAPPED = "~"  # a wrapper takes what it likes: what is given by place says nothing
VALUE = "@"  # a property whose value can't be called
UNKNOWN = "?"  # a way that is not known


@dataclass(frozen=True)
class Way:
    """How one version of a library lets something be called.

    Attributes:
        signature: its parameters.
        wrapped: a wrapper around it may take more by place.
        returns_nothing: it is declared to return None.
    """

    signature: Signature
    wrapped: bool
    returns_nothing: bool

    def misfit(self, count: int, keywords: Iterable[str], is_open: bool) -> str | None:
        """Why arguments can't be bound; see `Signature.misfit`."""
        if self.wrapped:
            return self.signature.misfit(0, keywords, is_open=True)
        return self.signature.misfit(count, keywords, is_open)


#: Every way that is known, each with the versions that have it.
Ways = tuple[tuple[Way, int], ...]


def failing(ways: Ways, count: int, keywords: Iterable[str], is_open: bool) -> tuple[int, str]:
    """Return the versions in which arguments can't be bound, and the reason in the last of them.

    See `Signature.misfit`.
    """
    names, found, why = list(keywords), 0, ""
    for way, versions in sorted(ways, key=lambda entry: entry[1]):
        problem = way.misfit(count, names, is_open)
        if problem is not None:
            found, why = found | versions, problem
    return found, why


@dataclass(frozen=True)
class Kind:
    """What the objects of a class have. Versions are the bits of a number, see `Table`.

    Attributes:
        name: the class by its dotted name.
        distribution: what it comes with.
        is_open: they may have other attributes than these.
        everywhere: all versions.
        base: the class that it has the rest from.
    """

    name: str
    distribution: str
    is_open: bool
    everywhere: int
    base: Kind | None
    _entry: dict[str, Any]

    @property
    def short(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]

    @cached_property
    def names(self) -> dict[str, int]:
        """All attributes and methods, each with the versions that have it."""
        found = dict(self.base.names) if self.base is not None else {}
        for name, versions in _read_names(self._entry["names"], self.everywhere).items():
            found[name] = versions
        for name, ways in self._entry["methods"].items():
            found[name] = self.everywhere if 0 in ways.values() else sum(ways.values())
        return found

    def ways(self, method: str) -> Ways:
        """How a method may be called."""
        return _ways(self._texts(method), self.everywhere)

    def has_method(self, name: str) -> bool:
        """Whether some version has a method of this name."""
        return name in self._entry["methods"] or (self.base is not None and self.base.has_method(name))

    def values(self, name: str) -> int:
        """The versions in which an attribute is a number, text or container, which can't be called."""
        texts = self._texts(name)
        return (texts[VALUE] or self.everywhere) if VALUE in texts else 0

    def _texts(self, name: str) -> dict[str, int]:
        if name in self._entry["methods"]:
            found: dict[str, int] = self._entry["methods"][name]
            return found
        if self.base is None or name in _read_names(self._entry["names"], self.everywhere):
            return {}
        return self.base._texts(name)


@lru_cache(maxsize=1024)
def _read_names(text: str, everywhere: int) -> dict[str, int]:
    """Names, each with the versions that have it."""
    found = {}
    for entry in text.split():
        name, _, versions = entry.partition(":")
        found[name] = int(versions) if versions else everywhere
    return found


def _ways(texts: dict[str, int], everywhere: int) -> Ways:
    return tuple((_way(text), versions or everywhere) for text, versions in texts.items() if text not in (UNKNOWN, VALUE))


@lru_cache(maxsize=4096)
def _way(text: str) -> Way:
    returns_nothing = text.endswith(NOTHING)
    parameters = text.removesuffix(NOTHING).removeprefix(WRAPPED)
    definition = ast.parse(f"def f({parameters}): ...").body[0]
    assert isinstance(definition, ast.FunctionDef)
    signature = from_arguments(definition.args, bound=False)
    assert signature is not None
    return Way(signature, text.startswith(WRAPPED), returns_nothing)


class Table:
    """All libraries of the table. Versions of a library are the bits of a number, the oldest one's lowest.

    Attributes:
        versions: by distribution, the versions that were asked, oldest first.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.versions: dict[str, list[str]] = {name: library["versions"] for name, library in data.items()}
        self._modules: dict[str, tuple[str, str]] = {}
        self._classes: dict[str, tuple[str, dict[str, Any]]] = {}
        self._functions: dict[str, tuple[str, dict[str, int]]] = {}
        self._aliases: dict[str, str] = {}
        self._kinds: dict[str, Kind] = {}
        for distribution, library in data.items():
            self._modules |= {name: (distribution, names) for name, names in library["modules"].items()}
            self._classes |= {name: (distribution, entry) for name, entry in library["classes"].items()}
            self._functions |= {name: (distribution, ways) for name, ways in library["functions"].items()}
            self._aliases |= library["aliases"]

    def everywhere(self, distribution: str) -> int:
        """All versions of a library."""
        return (1 << len(self.versions[distribution])) - 1

    def kind(self, dotted: str) -> Kind | None:
        """The class of a dotted name."""
        dotted = self._aliases.get(dotted, dotted)
        if dotted not in self._kinds:
            if dotted not in self._classes:
                return None
            distribution, entry = self._classes[dotted]
            base = self.kind(entry["base"]) if entry["base"] else None
            is_open = entry["open"] or (base is not None and base.is_open)
            self._kinds[dotted] = Kind(dotted, distribution, is_open, self.everywhere(distribution), base, entry)
        return self._kinds[dotted]

    def callable(self, dotted: str) -> tuple[str, Ways] | None:
        """How a function or class is called, and its distribution; None where that is not known."""
        dotted = self._aliases.get(dotted, dotted)
        if dotted in self._classes:
            distribution, entry = self._classes[dotted]
            return distribution, _ways(entry["init"], self.everywhere(distribution))
        if dotted in self._functions:
            distribution, ways = self._functions[dotted]
            return distribution, _ways(ways, self.everywhere(distribution))
        owner, _, name = dotted.rpartition(".")
        kind = self.kind(owner) if owner else None
        return (kind.distribution, kind.ways(name)) if kind is not None else None

    def names_of(self, module: str) -> tuple[str, dict[str, int]] | None:
        """Return the distribution of a module and its public names with the versions that have them.

        None for a module of no library in the table.
        """
        known = self._modules.get(module)
        return (known[0], _read_names(known[1], self.everywhere(known[0]))) if known is not None else None

    def possible(self, distribution: str, requirements: Iterable[str], locked: str | None) -> tuple[int, bool]:
        """Return the versions that a project may get of a library.

        Also whether these are between the oldest and the newest that the table was made from.

        Args:
            distribution: the library.
            requirements: the project's requirements of it, as they are written.
            locked: the version in its lock file.

        Returns:
            the versions; for one that was not asked those next to it.
        """
        versions = [Version(text) for text in self.versions[distribution]]
        if locked is not None:
            exact = _release(locked)
            below = [place for place, version in enumerate(versions) if version.release <= exact]
            above = [place for place, version in enumerate(versions) if version.release >= exact]
            near = {*below[-1:], *above[:1]}
            return sum(1 << place for place in near), bool(above) and bool(below)
        parsed = [requirement for text in requirements if (requirement := parse_requirement(text)) is not None]
        fitting = [
            1 << place
            for place, version in enumerate(versions)
            if all(requirement.specifier.contains(version, prereleases=True) for requirement in parsed)
        ]
        return (sum(fitting), True) if fitting else (self.everywhere(distribution), False)


def _release(text: str) -> tuple[int, ...]:
    try:
        return Version(text.removesuffix(".*")).release
    except InvalidVersion:
        return (0,)


@lru_cache(maxsize=1)
def library_table() -> Table:
    """The table, loaded once."""
    return Table(json.loads((resources.files("gonogo.analysis.libraries") / "objects.json").read_text("utf-8")))
