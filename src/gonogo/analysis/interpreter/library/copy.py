"""`copy.copy` and `copy.deepcopy`."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import UNHANDLED, Unhandled
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.objects import Instance
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled


@LIBRARY.call("copy.deepcopy", "copy.copy")
def copy(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """A copy; that of a config keeps its struct flag, and that of an object is taken for the object."""
    value = settled(given.get(0, "x"))
    if isinstance(value, ConfigNode):
        result = value.copied(walk)
        walk.memory.set(result, "struct", value.is_struct())
        return result
    if isinstance(value, (Mapping, Sequence)):
        return value.copied(walk)
    return value if isinstance(value, (Instance, Scalar)) or (value.immutable and not value.unknown) else UNHANDLED
