"""Functions of the language itself whose result the walk knows."""

from __future__ import annotations

from collections.abc import Callable

from gonogo.analysis.dataflow.containers import attribute, element, entries
from gonogo.analysis.dataflow.core import Walker
from gonogo.analysis.dataflow.types import is_of_class
from gonogo.analysis.dataflow.values import Call, Const, Display, Mapping, Value, plain, text


def _getattr(walker: Walker, call: Call) -> Value | None:
    name = text(call.arguments[1]) if len(call.arguments) > 1 else None
    return attribute(walker, call.arguments[0], name, call.node) if name is not None and len(call.arguments) == 2 else None


def _setattr(walker: Walker, call: Call) -> Value | None:
    name = text(call.arguments[1]) if len(call.arguments) > 2 else None
    if name is not None:
        walker.hold(call.arguments[0], name, call.arguments[2])
    return None


def _list(walker: Walker, call: Call) -> Value | None:
    if not call.arguments:
        return Display(call.module, call.node, "list", ())
    known = entries(walker, call.arguments[0], call.node, 16)
    return Display(call.module, call.node, "list", tuple(known)) if known is not None else None


def _tuple(walker: Walker, call: Call) -> Value | None:
    known = entries(walker, call.arguments[0], call.node, 16) if call.arguments else None
    return Display(call.module, call.node, "tuple", tuple(known)) if known is not None else None


def _dict(walker: Walker, call: Call) -> Value | None:
    pairs = [(Const(value.module, value.node, name), value) for name, value in call.keywords.items() if name != "**"]
    if not call.arguments:
        return Mapping(call.module, call.node, tuple(pairs), call.is_open)
    given = plain(call.arguments[0])
    if isinstance(given, Mapping):
        return Mapping(call.module, call.node, (*given.entries, *pairs), given.is_open or call.is_open)
    return None


def _next(walker: Walker, call: Call) -> Value | None:
    return element(walker, call.arguments[0], call.node) if call.arguments else None


def _same(walker: Walker, call: Call) -> Value | None:
    return call.arguments[0] if len(call.arguments) == 1 and not call.keywords else None


def _isinstance(walker: Walker, call: Call) -> Value | None:
    known = is_of_class(call.arguments[0], call.arguments[1]) if len(call.arguments) == 2 else None
    return Const(call.module, call.node, known) if known is not None else None


#: By dotted name: the value, or None where the call is one like any other.
BUILTINS: dict[str, Callable[[Walker, Call], Value | None]] = {
    "getattr": _getattr,
    "setattr": _setattr,
    "list": _list,
    "tuple": _tuple,
    "dict": _dict,
    "next": _next,
    "iter": _same,
    "isinstance": _isinstance,
    "typing.cast": lambda walker, call: call.arguments[1] if len(call.arguments) == 2 else None,
}
