"""Which class an object is of, where a condition asks and the walk knows the answer.

This covers losses of torch, which code distinguishes before it calls them.
"""

from __future__ import annotations

import re

from gonogo.analysis.dataflow.values import Call, Display, Ref, Value, plain
from gonogo.analysis.dataflow.wrapping import base

_LOSS = re.compile(r"^torch\.nn\.(?:modules\.(?:loss\.)?)?([A-Z]\w*Loss)$")
_ABOVE = frozenset({"torch.nn.Module", "torch.nn.modules.Module", "torch.nn.modules.module.Module"})


def is_of_class(value: Value, asked: Value, exactly: bool = False) -> bool | None:
    """Whether an object is of a class, or of one of a tuple of classes; None where that is not known.

    Args:
        value: the object.
        asked: the class.
        exactly: no class above it counts, as for `type(value) == asked`.
    """
    asked = plain(asked)
    if isinstance(asked, Display) and asked.kind == "tuple":
        found = [is_of_class(value, entry, exactly) for entry in asked.items]
        return True if True in found else None if None in found or not found else False
    own, wanted = _class_of(value), _LOSS.match(asked.name) if isinstance(asked, Ref) else None
    if own is None:
        return None
    if isinstance(asked, Ref) and asked.name in _ABOVE:
        return not exactly
    return own == wanted[1] if wanted is not None else None


def _class_of(value: Value) -> str | None:
    made = base(value)
    callee = plain(made.callee) if isinstance(made, Call) else None
    found = _LOSS.match(callee.name) if isinstance(callee, Ref) else None
    return found[1] if found is not None else None


def compared_types(left: Value, right: Value) -> bool | None:
    """Whether `type(x)` is a class."""
    asked = plain(left)
    if isinstance(asked, Call) and asked.name == "type" and len(asked.arguments) == 1:
        return is_of_class(asked.arguments[0], right, exactly=True)
    return None
