"""The facts that rules ask for by name, each computed once and only if somebody asks.

A fact is a function under `@fact` in a module of this package, or of one that an installed package names in the entry-point group
`gonogo.facts`; its parameters name other facts. The pipeline gives some itself (`_GIVEN`), as it comes by them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from gonogo.system.plugins import named

GROUP = "gonogo.facts"
_PROVIDERS: dict[str, Callable[..., Any]] = {}
_F = TypeVar("_F", bound=Callable[..., Any])


_GIVEN = (
    "experiment",
    "contract",
    "composer",
    "workspace",
    "installed",
    "environment",
    "trial",
    "pretended",
    "rehearsal",
    "session",
    "complete_rehearsal",
    "challenge",
    "review",
)


def fact(function: _F) -> _F:
    """Make a function's result a fact under the function's name."""
    _PROVIDERS[function.__name__] = function
    return function


class Facts:
    """The facts about one experiment, computed on demand.

    A fact that failed fails again in the same way for everyone who asks.
    """

    def __init__(self, **given: Any) -> None:
        self._values: dict[str, Any] = given
        self._errors: dict[str, Exception] = {}

    def get(self, name: str) -> Any:
        """The fact of this name.

        Raises:
            LookupError: there is no such fact.
        """
        if name in self._errors:
            raise self._errors[name]
        if name not in self._values:
            provider = _providers().get(name)
            if provider is None:
                raise LookupError(f"there is no fact '{name}'")
            try:
                self._values[name] = self.call(provider)
            except Exception as error:
                self._errors[name] = error
                raise
        return self._values[name]

    def give(self, name: str, value: Any) -> None:
        """Make known what a stage found out."""
        self._values[name] = value

    def call(self, function: Callable[..., Any]) -> Any:
        """Call a function with the facts that its parameters name."""
        return function(**{name: self.get(name) for name in _parameters(function)})


class ProjectFacts(Facts):
    """Facts about a project whose runs no contract documents.

    The survey of its entry points has the runs and their traces.
    """

    def get(self, name: str) -> Any:
        """The fact of this name.

        Raises:
            LookupError: there is no such fact.
        """
        return getattr(super().get("survey"), name) if name in ("runs", "traces") else super().get(name)


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters.

    They are cached, since rules and facts are asked for every experiment and never change.
    """
    return tuple(inspect.signature(function).parameters)


@lru_cache(maxsize=1)
def _providers() -> dict[str, Callable[..., Any]]:
    """Return every fact's function by name.

    They are those of this package's modules, and those that installed packages name.
    """
    for entry in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{entry.name}")
    for module in named(GROUP).values():
        importlib.import_module(module)
    return _PROVIDERS


def names() -> list[str]:
    """Every fact a rule may ask for."""
    return sorted({*_providers(), *_GIVEN})
