"""Objects of the program's dataclasses whose fields a parser fills."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Frame, Value, Walk
from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.values.field_default import FieldDefault
from gonogo.analysis.interpreter.values.objects import Class, Instance, Record
from gonogo.analysis.interpreter.values.options import Parsed
from gonogo.analysis.interpreter.values.varied import settled

MAX_DEPTH = 6


def evaluated(walk: Walk, owner: Class, node: ast.expr) -> Value:
    """The value of an expression in the module of a class."""
    names = walk.modules.globals_of(owner.module)
    with walk.state.within(owner.module):
        return walk.evaluate(node, Frame(owner.module, names, names))


def unquoted(annotation: ast.expr) -> ast.expr | None:
    """An annotation that may be written as a text, as an expression; None where it is none."""
    if not isinstance(annotation, ast.Constant) or not isinstance(annotation.value, str):
        return annotation
    try:
        return ast.parse(annotation.value, mode="eval").body
    except SyntaxError:
        return None


def parsed(walk: Walk, cls: Class, at: ast.AST, is_nested: bool = True, depth: int = 0) -> Value:
    """An object of a dataclass as a parser makes it, which fills its fields with nobody knows what.

    Args:
        walk: the interpreter.
        cls: the dataclass.
        at: where it is made.
        is_nested: the parser also fills fields that are dataclasses themselves.
        depth: in how many such fields it is.
    """
    inner = dict(_nested(walk, cls, at, depth)) if is_nested and depth < MAX_DEPTH else {}
    made = cls.call(walk, Arguments(keywords=inner, open=True), at)
    if isinstance(made, Record):
        walk.state.record(Parsed(made, {name: Site(owner.module, field) for owner, field, name in cls.fields() if name not in inner}))
    return made


def _nested(walk: Walk, cls: Class, at: ast.AST, depth: int) -> Iterator[tuple[str, Value]]:
    """Yield the fields that are dataclasses, each with an object.

    The object is of the class of the field's default, otherwise of the class in its annotation.
    """
    for owner, field, name in cls.fields():
        default = settled(cls.find(name)) if field.value is not None else None
        annotated = unquoted(field.annotation)
        inner: Value | None = default.factory or default.default if isinstance(default, FieldDefault) else default
        if isinstance(inner, Instance):
            inner = inner.cls
        elif inner is None and isinstance(annotated, (ast.Name, ast.Attribute)):
            inner = settled(evaluated(walk, owner, annotated))
        if isinstance(inner, Class) and inner.is_dataclass:
            yield name, parsed(walk, inner, at, depth=depth + 1)


def class_of(value: Value) -> Class | None:
    """The dataclass that a parser was given, None where it is something else."""
    found = settled(value)
    return found if isinstance(found, Class) and found.is_dataclass else None


def taken(walk: Walk, value: Value, at: ast.AST, is_nested: bool = True) -> Value:
    """What a parser makes of a class that it was given."""
    cls = class_of(value)
    return UNKNOWN if cls is None else parsed(walk, cls, at, is_nested)
