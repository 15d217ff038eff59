"""The values that a number is the same as, and all values that it is computed from.

The first are found through conversions, choices and what functions return.
"""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.values import Call, Choice, Operation, Returned, Value, constant
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.numbers.same import stripped

MOST = 200
MOST_COMPUTED = 3_000
#: What gives the same number in another form, or bounded.
_SAME = words("float int round abs min max numpy.clip numpy.round torch.clamp numpy.float64 numpy.float32 str format")
_METHODS = words("item round clamp clip mean cpu detach numpy float")
UNITS = (1, 100, 0.01, 1000, 0.001, 100.0, 1.0, 1000.0)


def spine(value: Value) -> Iterator[Value]:
    """Every value that a number may be, itself first."""
    seen: set[Value] = set()
    pending = [value]
    while pending and len(seen) < MOST:
        entry = pending.pop(0)
        if entry in seen:
            continue
        seen.add(entry)
        yield entry
        inner = stripped(entry)
        if inner is not entry:
            pending.append(inner)
        if isinstance(entry, Choice):
            pending += entry.options
        elif isinstance(entry, Returned):
            pending.append(entry.value)
        elif isinstance(entry, Call) and (entry.name in _SAME or entry.method in _METHODS):
            pending += [entry.receiver] if entry.receiver is not None else []
            pending += entry.arguments
        elif (
            isinstance(entry, Operation) and entry.operator in ("*", "/") and any(constant(part) in UNITS for part in entry.operands)
        ) or (isinstance(entry, Operation) and entry.operator in ("+", "-")):
            pending += entry.operands


def made_of(value: Value) -> Iterator[Value]:
    """Every value that a number is computed of, itself first."""
    seen: set[Value] = set()
    pending = [value]
    while pending and len(seen) < MOST_COMPUTED:
        entry = pending.pop()
        if entry in seen or isinstance(entry, (Function, Class, Instance)):
            continue
        seen.add(entry)
        yield entry
        pending += [part for part in entry.inputs() if not (isinstance(entry, Call) and part is entry.callee and not entry.method)]
