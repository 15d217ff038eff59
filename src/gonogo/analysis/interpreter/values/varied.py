"""A value that is one thing for some of the runs that are walked together, and another for others.

A question that has the same answer for all runs is answered; one that has not makes the runs part (see `memory`). Whatever else is done
with the value is done for each group of runs, and gives another such value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from gonogo.analysis.interpreter.base import Items, Spread, Value, Walk
from gonogo.analysis.interpreter.memory import Alternatives, Diverged, Memory, Part
from gonogo.analysis.interpreter.sentinels import ABSENT, UNHANDLED, Absent

# Questions: asked of every alternative, and answered if all agree.
ANSWERS = frozenset(
    {
        "loop_path", "constant", "truth", "is_none", "outside_name", "type_name", "path_text", "shown", "concatenates", "length",
        "is_instance", "has_member", "contains", "compare", "inert", "never_none", "has_identity", "choices", "tells_apart",
        "unknown", "outlasts",
    }
)  # fmt: skip
# What makes a value and writes nothing, of values that do not change (MADE) or of any (COPIES).
MADE = frozenset({"member", "item", "slice", "call_method", "binary", "reflected", "negated", "converted"})
COPIES = frozenset({"copied"})
# What has an answer of a shape of its own: the runs part.
SHAPES = frozenset({"spread", "enter", "plain", "alternatives", "snapshot"})


class Varied(Alternatives[Value | Absent], Value):
    """A value for each of several groups of runs; in a cell, ABSENT for those in which nothing is there."""

    __slots__ = ()

    def seen(self) -> Any:
        """The value for the runs that are being walked, which may be this one.

        Raises:
            Diverged: something is there for some of the runs only.
        """
        found = self.here()
        if len(found) == 1:
            return found[0][1]
        if any(value is ABSENT for _, value in found):
            lacking = sum(mask for mask, value in found if value is ABSENT)
            raise Diverged((sum(mask for mask, _ in found) & ~lacking, lacking))
        return self

    @property
    def immutable(self) -> bool:  # type: ignore[override]
        """Whether every alternative is."""
        return all(isinstance(value, Value) and value.immutable for _, value in self.here())

    def identity(self) -> Hashable:
        """The same alternatives for the same runs are the same."""
        return (Varied, *((mask, value if value is ABSENT else value.identity()) for mask, value in self.parts))

    def config_content(self) -> Spread | None:
        """Plain values stay as they are."""
        found = self.here()
        if len(found) > 1 and not self.immutable:
            raise Diverged(mask for mask, _ in found)
        return None if len(found) > 1 else found[0][1].config_content()  # type: ignore[union-attr]

    def iterate(self, walk: Walk) -> Items:
        """The items in columns, where there are as many for all runs."""
        found = self._asked(lambda value: value.iterate(walk))
        self.memory.agreed((mask, (len(items.values), items.complete)) for mask, items in found)
        return Items(self._columns([(mask, items.values) for mask, items in found]), found[0][1].complete)

    def unpack(self, count: int) -> Sequence[Value] | None:
        """The values in columns, where they are known for all runs."""
        found = self._asked(lambda value: value.unpack(count))
        self.memory.agreed((mask, items is None) for mask, items in found)
        return None if found[0][1] is None else self._columns([(mask, items or ()) for mask, items in found])

    def _columns(self, rows: Sequence[tuple[int, Sequence[Value]]]) -> list[Value]:
        return [self.memory.combine((mask, row[place]) for mask, row in rows) for place in range(len(rows[0][1]))]

    def _asked(self, action: Callable[[Any], Any]) -> list[tuple[int, Any]]:
        """What each alternative answers; the action writes nothing."""
        found = []
        for mask, value in self.here():
            with self.memory.only(mask):
                found.append((mask, action(value)))
        return found


def _ask(name: str) -> Callable[..., Any]:
    if not callable(getattr(Value, name)):
        return lambda self: self.memory.agreed(self._asked(lambda value: getattr(value, name)))

    def ask(self: Varied, *arguments: Any, **options: Any) -> Any:
        return self.memory.agreed(self._asked(lambda value: getattr(value, name)(*arguments, **options)))

    return ask


def _do(name: str) -> Callable[..., Any]:
    def do(self: Varied, *arguments: Any, **options: Any) -> Any:
        found = self.here()
        if len(found) == 1:
            return getattr(found[0][1], name)(*arguments, **options)
        masks = [mask for mask, _ in found]
        if name in SHAPES:
            raise Diverged(masks)
        if name in COPIES or (name in MADE and self.immutable):
            results = self._asked(lambda value: getattr(value, name)(*arguments, **options))
        else:
            results = self.memory.each(masks, lambda: getattr(self.here()[0][1], name)(*arguments, **options))
        if any(result is UNHANDLED for _, result in results):
            self.memory.agreed((mask, result is UNHANDLED) for mask, result in results)
        return self.memory.combine(results)

    return do


def _complete() -> None:
    """Give `Varied` every operation of `Value`, also those that are added there."""
    for name in dir(Value):
        if name.startswith("_") or name in vars(Varied):
            continue
        operation: Any = _ask(name) if name in ANSWERS else _do(name)
        setattr(Varied, name, operation if callable(getattr(Value, name)) else property(operation))


_complete()


def settled(value: Value | Absent) -> Any:
    """A value whose kind is the same for all runs that are being walked.

    Raises:
        Diverged: it is not.
    """
    if not isinstance(value, Varied):
        return value
    found = value.here()
    if len(found) == 1:
        return found[0][1]
    if not value.immutable:
        raise Diverged(mask for mask, _ in found)
    return value


def vary(memory: Memory, parts: list[Part]) -> Any:
    """One value for what differs between groups of runs."""
    are_values = all(isinstance(value, Value) or value is ABSENT for _, value in parts)
    return Varied(memory, parts) if are_values else Alternatives(memory, parts)
