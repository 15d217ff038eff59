"""What the parameters of a function stand for: what a call gives, a default, or what nobody knows."""

from __future__ import annotations

import ast

from gonogo.analysis.dataflow.core import Walker
from gonogo.analysis.dataflow.definitions import Class, Frame, Function
from gonogo.analysis.dataflow.values import Call, Const, Display, Mapping, Parameter, Value


def bind_parameters(walker: Walker, frame: Frame, function: Function, call: Call) -> None:
    """Let the parameters of a function stand for what a call gives them."""
    spec = function.definition.args
    names = [*spec.posonlyargs, *spec.args]
    with_default = names[len(names) - len(spec.defaults) :]
    defaults: dict[str, ast.expr | None] = {entry.arg: default for entry, default in zip(with_default, spec.defaults, strict=True)}
    if function.receiver is not None and names and not isinstance(function.definition, ast.Lambda):
        frame.bind(names[0].arg, function.receiver)
        names = names[1:]
    given = dict(call.keywords)
    rest = given.pop("**", None)
    for place, entry in enumerate(names):
        if place < len(call.arguments) and not (call.is_open and place >= len(call.arguments) - 1 and rest is None):
            frame.bind(entry.arg, call.arguments[place])
        elif entry.arg in given:
            frame.bind(entry.arg, given.pop(entry.arg))
        else:
            frame.bind(entry.arg, _default(walker, frame, function, entry, defaults.get(entry.arg), call.is_open))
    for entry, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        if entry.arg in given:
            frame.bind(entry.arg, given.pop(entry.arg))
        else:
            frame.bind(entry.arg, _default(walker, frame, function, entry, default, call.is_open))
    if spec.vararg is not None:
        more = call.arguments[len(names) :]
        frame.bind(spec.vararg.arg, Display(call.module, call.node, "tuple", tuple(more), call.is_open))
    if spec.kwarg is not None:
        pairs = tuple((Const(value.module, value.node, name), value) for name, value in given.items())
        frame.bind(spec.kwarg.arg, Mapping(call.module, call.node, pairs, call.is_open))


def _default(walker: Walker, frame: Frame, function: Function, entry: ast.arg, default: ast.expr | None, is_open: bool) -> Value:
    if default is None or is_open:
        return parameter(function, entry, default)
    with walker.in_frame(function.frame):
        return walker.read(default)


def parameter(function: Function, entry: ast.arg, default: ast.expr | None = None) -> Parameter:
    """What a parameter stands for where the callers are not known."""
    annotation = ast.unparse(entry.annotation) if entry.annotation is not None else ""
    return Parameter(function.module, entry, entry.arg, function.definition, annotation, default)


def parameters_of(function: Function) -> dict[str, Value]:
    """Every parameter of a function that callers nobody knows give it, but for its receiver."""
    spec = function.definition.args
    names = [*spec.posonlyargs, *spec.args]
    if names and not isinstance(function.definition, ast.Lambda) and (function.receiver is not None or _is_receiver(function, names[0])):
        names = names[1:]
    defaults = dict(zip([entry.arg for entry in names[len(names) - len(spec.defaults) :]], spec.defaults, strict=False))
    found: dict[str, Value] = {entry.arg: parameter(function, entry, defaults.get(entry.arg)) for entry in names}
    found |= {entry.arg: parameter(function, entry, default) for entry, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)}
    return found


def _is_receiver(function: Function, first: ast.arg) -> bool:
    return isinstance(function.owner, Class) and first.arg in ("self", "cls")
