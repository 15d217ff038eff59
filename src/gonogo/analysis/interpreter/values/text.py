"""A text of which some stretches are not known."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Stretches, Value, Walk
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NoDefault
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.scalar import Scalar

MAX_TEXT = 20_000


class Text(Value):
    """A text: `parts` holds what is known of it and, for each unknown stretch, None."""

    __slots__ = ("parts",)
    immutable = True

    def __init__(self, parts: Stretches) -> None:
        self.parts = parts

    def filled(self, filler: str) -> str:
        """The text with `filler` for every unknown stretch."""
        return "".join(filler if part is None else part for part in self.parts)

    def truth(self) -> bool | None:
        """True if anything of it is known."""
        return True if any(self.parts) else None

    def shown(self) -> Stretches:
        """Its parts."""
        return self.parts

    def concatenates(self) -> Stretches | None:
        """Its parts."""
        return self.parts

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method, of which nothing more is known."""
        return BoundMethod(self, name)

    def converted(self, kind: type) -> Value:
        """It is a text already."""
        return self if kind is str else UNKNOWN


def concatenated(parts: Iterable[Stretches]) -> Value:
    """The text that parts make: a plain text if all is known, a `Text` if something is."""
    pieces: Stretches = tuple(piece for part in parts for piece in part)
    if sum(len(piece or "") for piece in pieces) > MAX_TEXT:
        return UNKNOWN
    if all(piece is not None for piece in pieces):
        return Scalar("".join(piece for piece in pieces if piece is not None))
    return Text(pieces) if any(pieces) else UNKNOWN
