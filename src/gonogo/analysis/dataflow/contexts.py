"""What a `with` block or a decorator switches on or off for the calls inside it.

That is automatic differentiation or mixed precision.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from gonogo.analysis.dataflow.values import Call, Context, Mode, Ref, Value, constant, plain
from gonogo.analysis.python.modules import qualified_name

GRAD_OFF = frozenset({"no_grad", "inference_mode"})


def entered(context: Context, value: Value) -> Context:
    """The context within a `with` over a value."""
    value = plain(value)
    short = value.short if isinstance(value, Call) else value.name.rpartition(".")[2] if isinstance(value, Ref) else ""
    if short in GRAD_OFF:
        given = constant(value.argument(0, "mode")) if isinstance(value, Call) and short == "inference_mode" else ...
        return context._replace(grad=Mode.ON if given is False else Mode.OFF)
    if short == "enable_grad":
        return context._replace(grad=Mode.ON)
    if short == "set_grad_enabled" and isinstance(value, Call):
        return context._replace(grad=mode_of(value.argument(0, "mode")))
    if short == "autocast":
        given = value.argument(None, "enabled") if isinstance(value, Call) else None
        return context._replace(autocast=Mode.ON if given is None else mode_of(given))
    return context


def decorated(context: Context, decorators: Iterable[ast.expr]) -> Context:
    """The context within a function with decorators."""
    for decorator in decorators:
        short = qualified_name(decorator.func if isinstance(decorator, ast.Call) else decorator).rpartition(".")[2]
        if short in GRAD_OFF:
            context = context._replace(grad=Mode.OFF)
        elif short == "enable_grad":
            context = context._replace(grad=Mode.ON)
    return context


def mode_of(value: Value | None) -> Mode:
    """On or off by a literal."""
    known = constant(value)
    return Mode.ON if known is True else Mode.OFF if known is False else Mode.UNKNOWN
