"""Where library models enter themselves, and where the interpreter looks them up.

A model is a function `(walk, given, at)` under `@LIBRARY.call("dotted.name")`: what a call with these arguments gives. It returns
`UNHANDLED` to say that it knows no better; the arguments then leave the experiment.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TypeVar

from gonogo.analysis.interpreter.base import Arguments, Known, Model, Reach, Value, Walk
from gonogo.system.plugins import named

GROUP = "gonogo.library_models"
PACKAGE = __name__.rpartition(".")[0]
Attribute = Callable[[Walk], Value]
Decorates = Callable[[Walk, Value, Arguments, ast.AST], Value]
Ending = Callable[[Walk], None]
_M = TypeVar("_M", bound=Model)
_A = TypeVar("_A", bound=Attribute)
_D = TypeVar("_D", bound=Decorates)
_E = TypeVar("_E", bound=Ending)


class Library:
    """What is known of things outside the experiment, by dotted name.

    Attributes:
        parameters: what libraries give for parameters, by name, when they call functions of the experiment's.
        endings: called when a documented process has been walked.
        options: what stands in the text of a program that takes options from outside.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.endings: list[Ending] = []
        self.options: tuple[str, ...] = ()
        self._calls: dict[str, tuple[Model, Reach]] = {}
        self._attributes: dict[str, Attribute] = {}
        self._decorators: dict[str, Decorates] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._shows: tuple[str, ...] = ()
        self._watched: tuple[str, ...] = ()
        self._built: tuple[str, ...] = ()
        self._survived: frozenset[str] = frozenset()

    def known(self, name: str) -> Known:
        """What library models say of something by its dotted name."""
        model, reach = self._calls.get(name, (None, Reach.APART))
        last = name.removesuffix("()").rpartition(".")[2]
        return Known(
            call=model,
            reach=reach,
            attribute=self._attributes.get(name),
            shows=name.startswith(self._shows),
            watched=name.startswith(self._watched) or (name.startswith(self._built) and "(" not in name),
            survives=last in self._survived,
            decorates=self._decorators.get(name),
            members=self._members.get(name),
        )

    # -- for library models -------------------------------------------------------------------------------------------

    def call(self, *names: str, reach: Reach = Reach.APART) -> Callable[[_M], _M]:
        """Let a function say what calls of these names give."""

        def declare(model: _M) -> _M:
            self._calls.update(dict.fromkeys(names, (model, reach)))
            return model

        return declare

    def attribute(self, *names: str) -> Callable[[_A], _A]:
        """Let a function say what these names stand for; `a.b()` is what a call of `a.b` returns."""

        def declare(attribute: _A) -> _A:
            self._attributes.update(dict.fromkeys(names, attribute))
            return attribute

        return declare

    def decorator(self, *names: str) -> Callable[[_D], _D]:
        """Let a function say what these names make of a function that they decorate."""

        def declare(decorates: _D) -> _D:
            self._decorators.update(dict.fromkeys(names, decorates))
            return decorates

        return declare

    def at_end(self, ending: _E) -> _E:
        """Let a function be called when a documented process has been walked."""
        self.endings.append(ending)
        return ending

    def reads_options(self, *marks: str) -> None:
        """What stands in the text of a program that takes options from outside by this library."""
        self.options += marks

    def shows(self, *prefixes: str) -> None:
        """Calls of these only show or store what they are given: that counts as seen by people, not as used."""
        self._shows += prefixes

    def watches(self, *prefixes: str) -> None:
        """Rules want to see calls of these, and of what they give, with their arguments."""
        self._watched += prefixes

    def watches_calls(self, *prefixes: str) -> None:
        """Rules want to see calls of these, but not of what they give."""
        self._built += prefixes

    def survives(self, *names: str) -> None:
        """An exception does no harm inside `with` of these; by the last part of the name."""
        self._survived |= set(names)

    def expects(self, **parameters: str) -> None:
        """What a library gives for parameters of these names when it calls a function of the experiment's."""
        self.parameters.update(parameters)

    def has_members(self, name: str, members: Iterable[str]) -> None:
        """Something has these members, and no others: `hasattr` is answered."""
        self._members[name] = frozenset(members)


#: Filled by the modules of this package and of those that installed packages name.
LIBRARY = Library()


@lru_cache(maxsize=1)
def load_library() -> Library:
    """Load the library with all its models.

    They are those of this package, one file per library, and those of the modules in the entry-point group.
    """
    for entry in pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__):
        importlib.import_module(f"{PACKAGE}.{entry.name}")
    for module in named(GROUP).values():
        importlib.import_module(module)
    return LIBRARY
