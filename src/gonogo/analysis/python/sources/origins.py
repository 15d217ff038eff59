"""What is followed, and what is found."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from gonogo.analysis.python.modules import Module


class Part(Enum):
    """A part of a container that no text names.

    Attributes:
        VALUE: any value of a mapping, any entry of a list.
        KEY: any key of a mapping.
        ENTRY: anything that iterating gives: a key of a mapping, an entry of a list.
    """

    VALUE = "value"
    KEY = "key"
    ENTRY = "entry"


Step = str | int | Part
Path = tuple[Step, ...]


@dataclass(frozen=True)
class Source:
    """An expression and the steps that are then taken into it, first to last.

    `(items, (ENTRY, 0))` is the first element of any element of `items`.
    """

    module: Module
    node: ast.expr
    path: Path = ()

    def under(self, *steps: Step) -> Source:
        """What these steps take out of the expression before the rest of the path."""
        return Source(self.module, self.node, (*steps, *self.path))


@dataclass
class Found:
    """Expressions that can't be followed further. `complete`: there are surely no others."""

    sources: list[Source] = field(default_factory=list)
    complete: bool = True

    def add(self, more: Found) -> None:
        """Take over what was found elsewhere."""
        self.sources += more.sources
        self.complete = self.complete and more.complete


NOWHERE = Found(complete=False)


def found(*sources: Source) -> Found:
    """Exactly these."""
    return Found(list(sources))


def together(parts: Iterable[Found]) -> Found:
    """All of what was found in several places."""
    result = Found()
    for part in parts:
        result.add(part)
    return result


def step_of(node: ast.expr) -> Step | None:
    """Return what a subscript takes: a literal key or index, or any value.

    None where it leaves the container as it is.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int)):
        return node.value
    is_mask = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr))
    if is_mask or isinstance(node, (ast.Slice, ast.Compare, ast.BoolOp, ast.List)):
        return None  # a slice, a mask or a choice of columns
    return Part.VALUE


def fits(asked: Step, written: Step) -> bool:
    """Whether what is asked for may be what is written there."""
    return asked == written or isinstance(asked, Part) or isinstance(written, Part)
