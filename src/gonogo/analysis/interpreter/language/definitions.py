"""Functions, classes and imports.

They bind a name to something of the experiment's own, or from outside.
"""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Frame, Value, Walk
from gonogo.analysis.interpreter.language.bindings import bind, declare
from gonogo.analysis.interpreter.language.blocks import ends_of
from gonogo.analysis.interpreter.language.calls import arguments
from gonogo.analysis.interpreter.language.expressions import defaults_of
from gonogo.analysis.interpreter.language.tables import statement
from gonogo.analysis.interpreter.values.function import Function, decorators_of
from gonogo.analysis.interpreter.values.objects import Class
from gonogo.analysis.interpreter.values.outside import Outside
from gonogo.analysis.interpreter.values.own_dict import DictClass, is_attribute_dict
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.modules import qualified_name

NO_BASES = {"object", "ABC", "abc.ABC"}


@statement(ast.FunctionDef, ast.AsyncFunctionDef)
def define(walk: Walk, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> None:
    """`def name(…): …`."""
    decorators = frame.module.once(decorators_of, node)
    value: Value = Function(node, frame.module, frame, defaults=defaults_of(walk, node, frame), decorators=decorators)
    for decorator in reversed(node.decorator_list):
        value = _decorated(walk, decorator, value, frame)
    bind(walk, node.name, value, frame)


def _decorated(walk: Walk, decorator: ast.expr, value: Value, frame: Frame) -> Value:
    callee = settled(walk.evaluate(decorator.func if isinstance(decorator, ast.Call) else decorator, frame))
    if isinstance(callee, Outside) and callee.known.decorates is not None:
        given = arguments(walk, decorator, frame) if isinstance(decorator, ast.Call) else Arguments()
        return callee.known.decorates(walk, value, given, decorator)
    if isinstance(callee, Function):
        wrapper: Value = walk.evaluate(decorator, frame) if isinstance(decorator, ast.Call) else callee
        wrapped = wrapper.call(walk, Arguments([value]), decorator)
        return value if wrapped.unknown else wrapped
    return value  # a decorator from outside: taken to call the function as it is


@statement(ast.ClassDef)
def define_class(walk: Walk, node: ast.ClassDef, frame: Frame) -> None:
    """`class name(…): …`."""
    bases = [base for base in (settled(walk.evaluate(base, frame)) for base in node.bases) if isinstance(base, Class)]
    names = {qualified_name(base) for base in node.bases}
    foreign = len(bases) < len(names - NO_BASES) or bool(node.keywords)
    decorators = [qualified_name(entry.func if isinstance(entry, ast.Call) else entry) for entry in node.decorator_list]
    kind = DictClass if frame.module.once(is_attribute_dict, node) else Class
    cls = kind(node, frame.module, bases, foreign, any(name.endswith("dataclass") for name in decorators))
    scope = Frame(frame.module, cls.attributes, frame.globals, frame, is_class=True)
    declare(node, scope)
    ends_of(walk, node.body, scope)
    for _, member in cls.attributes.pairs():
        if isinstance(settled(member), Function):
            walk.memory.set(member, "owner", cls)
    value: Value = cls
    for decorator in reversed(node.decorator_list):
        value = _decorated(walk, decorator, value, frame)  # a registry is filled here
    walk.memory.put(frame.locals, node.name, value)


@statement(ast.Import)
def import_(walk: Walk, node: ast.Import, frame: Frame) -> None:
    """`import a.b as c`."""
    for alias in node.names:
        value = walk.modules.imported(alias.name, whole=alias.asname is not None)
        walk.memory.put(frame.locals, alias.asname or alias.name.partition(".")[0], value)


@statement(ast.ImportFrom)
def import_from(walk: Walk, node: ast.ImportFrom, frame: Frame) -> None:
    """`from a import b as c`."""
    source = walk.state.module.resolve_import(node)
    for alias in node.names:
        if alias.name == "*":
            for name, value in walk.modules.public_names(source).items():
                walk.memory.put(frame.locals, name, value)
        else:
            walk.memory.put(frame.locals, alias.asname or alias.name, walk.modules.imported_name(source, alias.name))
