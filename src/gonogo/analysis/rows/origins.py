"""Everything that a value was made from.

What was written into the tables and objects that it comes from is followed.
"""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Ref, Value
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.order import Order

MAX_VALUES = 4_000
_VIEWS = frozenset({"loc", "iloc", "at", "iat", "values", "data"})


class Origins:
    """Answers for the values of one program."""

    def __init__(self, program: Program) -> None:
        self.order = program.known(Order)
        self.writes: dict[Value, list[Write]] = {}
        for write in program.all(Write):
            self.writes.setdefault(table_of(write.owner), []).append(write)

    def of(self, value: Value, before: int | None = None) -> Iterator[Value]:
        """A value and all that it was made of, nearest first.

        Args:
            value: whose origins are asked for.
            before: the place in the program after which nothing counts that is written.
        """
        pending: list[Value] = [value]
        seen: set[Value] = set()
        while pending and len(seen) < MAX_VALUES:
            entry = base(pending.pop(0))
            if entry in seen:
                continue
            seen.add(entry)
            yield entry
            if isinstance(entry, (Function, Class, Ref)):
                continue
            if isinstance(entry, Instance):
                pending += list(entry.made.given()) if entry.made is not None else []
            else:
                pending += entry.inputs()
            for write in self.writes.get(entry, ()):
                if before is None or self.order.place(write) < before:
                    pending.append(write.value)


def table_of(value: Value) -> Value:
    """The table or object behind a view of it: `df.loc`, `df.values`."""
    value = base(value)
    while isinstance(value, Attribute) and value.name in _VIEWS:
        value = base(value.owner)
    return value
