"""What happens in a tree of events, by kind, so that a question need not go through all of it."""

from __future__ import annotations

from typing import Any, TypeVar

from gonogo.analysis.dataflow.blocks import Block, Event, Happening, Imported

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
