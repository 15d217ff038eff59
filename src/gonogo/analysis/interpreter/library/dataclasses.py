"""`dataclasses`: defaults of fields, and objects taken as a whole."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import UNHANDLED, Unhandled
from gonogo.analysis.interpreter.values.field_default import FieldDefault
from gonogo.analysis.interpreter.values.objects import Record
from gonogo.analysis.interpreter.values.varied import settled


@LIBRARY.call("dataclasses.field")
def field(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`field(default=…)`, `field(default_factory=…)`."""
    return FieldDefault(given.keywords.get("default"), given.keywords.get("default_factory"))


@LIBRARY.call("dataclasses.replace")
def replace(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`replace(config, key=…)`: another object of the same class."""
    value = settled(given.get(0, "obj"))
    if not isinstance(value, Record) or value.cls is None:
        return UNHANDLED
    made = Record(value.cls, {**dict(value.attributes.pairs()), **given.keywords})
    walk.memory.set(made, "open", value.open or given.open)
    return made
