"""What happens in a tree of events, by kind, so that a question need not go through all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeVar

from gonogo.analysis.dataflow.blocks import Alias, Block, Called, Event, Gives, Happening, Imported
from gonogo.analysis.dataflow.values import Call

T = TypeVar("T")
H = TypeVar("H", bound=Happening)


class Contents:
    """Everything that happens in a block, but for what the modules do that are imported in it.

    Attributes:
        events: the calls that are not walked into, by the last part of the name of what is called, in order.
        imports: the bodies of the modules that are imported.
    """

    def __init__(self, block: Block) -> None:
        self.events: dict[str, list[Event]] = {}
        self.imports: list[Block] = []
        self._others: dict[type[Happening], list[Happening]] = {}
        self._answers: dict[Callable[..., Any], list[Any]] = {}
        self._collect(block)

    def _collect(self, block: Block) -> None:
        for entry in block.items:
            if isinstance(entry, Event):
                self.events.setdefault(entry.call.short, []).append(entry)
            elif isinstance(entry, Imported):
                self.imports.append(entry.body)
            else:
                self._others.setdefault(type(entry), []).append(entry)
                for inner in entry.blocks():
                    self._collect(inner)

    @cached_property
    def made(self) -> set[Call]:
        """Every call, walked into or not."""
        events = {event.call for listed in self.events.values() for event in listed}
        return events | {called.call for called in self.of(Called)}

    def gathered(self, ask: Callable[[Contents], Iterable[T]]) -> list[T]:
        """Return what a function finds here, computed once and cached.

        Modules that many programs import are thus searched once for all of them.
        """
        found = self._answers.get(ask)
        if found is None:
            found = self._answers[ask] = list(ask(self))
        return found

    def of(self, kind: type[H]) -> list[H]:
        """Everything of a kind, in order."""
        found: list[Any] = self._others.get(kind, [])
        return found


def contents_of(block: Block) -> Contents:
    """The contents of a block, collected once."""
    if block.contents is None:
        block.contents = Contents(block)
    assert isinstance(block.contents, Contents)
    return block.contents


def prune(block: Block) -> bool:
    """Remove the branches and `try` statements of a module's body in which nothing happens.

    Returns whether anything is left.
    """
    block.items = [entry for entry in block.items if _says_something(entry)]
    return bool(block.items)


def _says_something(entry: Happening) -> bool:
    if isinstance(entry, (Alias, Gives)):
        return False
    inner = [prune(part) for part in entry.blocks()]  # each, not only up to the first
    return any(inner) if inner else True
