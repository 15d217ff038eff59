"""What is written into tensors in place.

Examples: `losses[mask] = loss`, `total += loss`, `x.copy_(y)`, `torch.add(a, b, out=x)`.
"""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Change, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Item, Value, options, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base

WRITERS = words(
    """
    copy_ add_ sub_ subtract_ mul_ multiply_ div_ index_add_ index_copy_ index_put_ index_reduce_ scatter_ scatter_add_ scatter_reduce_
    masked_scatter_ addcmul_ addcdiv_ addmm_ addbmm_ baddbmm_ lerp_ put_ set_ swapaxes_ where_ fill_ masked_fill_ index_fill_
    """
)
# Methods and attributes that give a view: what is written into it is written into its owner.
VIEWS = words(
    """
    view view_as reshape squeeze unsqueeze transpose permute narrow select diagonal unfold swapaxes movedim expand flatten unflatten
    chunk split unbind contiguous t
    """
)
_VIEWED = frozenset({"T", "mT", "H"})
MAX_STEPS = 20


def written(program: Program) -> dict[Value, list[Value]]:
    """Return what is written in place into each object, at any time and under any name.

    It is called as `program.known(written)`.
    """
    found: dict[Value, list[Value]] = {}
    for owner, value in _all(program):
        for option in options(owner):
            root = _root(option)
            if root is not None:
                found.setdefault(root, []).append(value)
    return found


def _all(program: Program) -> Iterator[tuple[Value, Value]]:
    for write in program.all(Write):
        if not isinstance(write.key, str):
            yield write.owner, write.value
    for change in program.all(Change):
        yield change.before, change.operand
    for event in program.calls(*WRITERS):
        if event.call.receiver is not None:
            yield from ((event.call.receiver, given) for given in event.call.given())
    for event in program.calls():
        out = event.call.keywords.get("out")
        if out is not None:
            yield from ((out, given) for given in event.call.given() if given is not out)


def _root(value: Value) -> Value | None:
    """The object that a value is, or is a view of; None behind `data`, which no gradient passes."""
    for _ in range(MAX_STEPS):
        value = base(value)
        if isinstance(value, Item):
            value = value.owner
        elif isinstance(value, Attribute):
            if value.name == "data":
                return None
            if value.name not in _VIEWED:
                return value
            value = value.owner
        elif isinstance(value, Call) and value.method in VIEWS and value.receiver is not None:
            value = value.receiver
        else:
            return plain(value)
    return value
