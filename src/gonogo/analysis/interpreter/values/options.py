"""Options that a program takes from outside: what they are called, and where they are defined.

One model for every way to take them. A parser's library (`library/`, one file each) makes `Options`, or objects of the program's own
dataclasses, and says by a `Parsed` event where each option is defined. Reading one that is not there is a `NoOption` event.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gonogo.analysis.interpreter.base import AccessKind, Value, Walk
from gonogo.analysis.interpreter.sentinels import ABSENT, NO_DEFAULT, NoDefault
from gonogo.analysis.interpreter.state import Event, Site
from gonogo.analysis.interpreter.values.lacking import Words, note_lacking
from gonogo.analysis.interpreter.values.objects import KnownNames


class Whole(Protocol):
    """What holds options."""

    @property
    def is_whole(self) -> bool:
        """Whether the program takes them as a whole anywhere, with all their values."""


@dataclass(frozen=True)
class Parsed(Event):
    """A command line was read: the options that came of it, and where each is defined."""

    options: Whole
    places: Mapping[str, Site]


KeyPath = tuple[str, ...]


class Accepts(Protocol):
    """What a program lets others give it."""

    def refusals(self, data: object) -> Iterable[tuple[KeyPath, str]]:
        """The paths in some data that are refused, each with why."""


@dataclass(frozen=True)
class Filled(Event):
    """Options get their values from a file, or from data that stand in the code.

    Attributes:
        path: of the file, from the project's root; None where it is not known.
        accepts: what the file may say.
        data: what stands in the code; None where a file is read.
    """

    site: Site
    path: str | None
    accepts: Accepts
    data: object = None


@dataclass(frozen=True)
class Set(Event):
    """The program sets an option at a place that was seen."""

    node: ast.AST


ARGPARSE = Words("no command-line option is called `{name}`", "define it: `add_argument('--{name}', …)`")


class Options(KnownNames):
    """What a parser gives: the options that it defines, and those that the program sets on it later.

    Attributes:
        native: names that it has besides.
        words: how to speak of an option that is not there.
    """

    __slots__ = ("native", "words")

    def __init__(self, values: dict[str, Value], native: frozenset[str], words: Words = ARGPARSE) -> None:
        super().__init__(None, values)
        self._open = False
        self.native = native
        self.words = words

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """An option; one that is not there ends the program."""
        if name == "__dict__":
            return self.members(walk)
        is_closed = self.is_closed()
        if is_closed and default is NO_DEFAULT and self.attributes.look(name) is ABSENT and name not in self.native:
            note_lacking(walk, name, at, tuple(self.attributes.there()), self.words)
        return super().member(walk, name, at, default if is_closed else NO_DEFAULT, kind)

    def has_member(self, walk: Walk, name: str, at: ast.AST) -> bool | None:
        """Whether there is such an option."""
        return super().has_member(walk, name, at) or (False if self.is_closed() and name not in self.native else None)

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """`name in options`."""
        name = item.constant()
        return self.has_member(walk, name, at) if isinstance(name, str) else None
