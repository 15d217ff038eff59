"""Texts and lists that are used where only a number can stand."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gonogo.analysis.interpreter.base import Constant, Value, Walk
from gonogo.analysis.interpreter.endings import ends_the_run
from gonogo.analysis.interpreter.memory import Alternatives
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN, NotKnown
from gonogo.analysis.interpreter.trace import Mistyped
from gonogo.analysis.interpreter.values.scalar import BINARY, COMPARE, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence

#: One value of each type, which Python's own operators are asked about.
SAMPLES: dict[str, object] = {"int": 1, "float": 1.0, "str": "7", "list": [0], "tuple": (0,)}
NUMBERS = frozenset({"int", "float"})
OPERATORS: dict[type[ast.AST], Callable[..., object]] = {kind: function for table in (BINARY, COMPARE) for kind, function in table.items()}


def note_operands(walk: Walk, left: Value, op: ast.operator | ast.cmpop, right: Value, at: ast.AST) -> None:
    """Note a text or a list beside a number, where Python's own operator refuses them."""
    function, kinds = OPERATORS.get(type(op)), [_kind(left), _kind(right)]
    other = next((value for value, kind in zip((left, right), kinds, strict=True) if kind not in NUMBERS), None)
    is_format = isinstance(op, ast.Mod) and kinds[0] == "str"
    if function is None or None in kinds or not NUMBERS & {*kinds} or other is None or is_format:
        return
    try:
        function(*(SAMPLES[str(kind)] for kind in kinds))
    except TypeError:
        note_number_wanted(walk, other, at)


def note_number_wanted(walk: Walk, value: Value, at: ast.AST) -> None:
    """Note that a text or a list stands where Python takes numbers only."""
    kind, found = _kind(value), value.values[0] if isinstance(value, Sequence) and value.values else value
    constant: Constant | NotKnown = found.constant()
    if kind in NUMBERS or kind is None or constant is NOT_KNOWN or not ends_the_run(walk.state, "TypeError", "Exception"):
        return
    walk.state.record(Mistyped(walk.state.site(at), str(constant), kind, found.path if isinstance(found, Scalar) else None))


def _kind(value: Value) -> str | None:
    """The type of a value, None where it is not known or is another."""
    if isinstance(value, Alternatives):
        return None
    if isinstance(value, Sequence):
        return value.kind if value.kind in SAMPLES and not value.open else None
    constant = value.constant()
    name = type(constant).__name__
    return name if constant is not NOT_KNOWN and name in SAMPLES else None
