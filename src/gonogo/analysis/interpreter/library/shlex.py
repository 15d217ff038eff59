"""`shlex`: command lines as texts."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Sequence as PlainSequence

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Reach, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.processes import words_of
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.text import Text


@LIBRARY.call("shlex.quote", reach=Reach.PURE)
def quote(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`shlex.quote(text)`."""
    value = given.get(0, "s")
    text = value.constant()
    return Scalar(shlex.quote(text)) if isinstance(text, str) else value if isinstance(value, Text) else UNKNOWN


@LIBRARY.call("shlex.split", reach=Reach.PURE)
def split(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`shlex.split(text)`."""
    words = words_of(walk, given.get(0, "s"))
    return Sequence(words) if words is not None else Sequence(open=True)


@LIBRARY.call("shlex.join", reach=Reach.PURE)
def join(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`shlex.join(words)`."""
    items, complete = given.get(0, "split_command").iterate(walk)

    def in_one(values: PlainSequence[Value]) -> Value:
        words = [word for item in values if isinstance(word := item.constant(), str)]
        return Scalar(shlex.join(words)) if complete and len(words) == len(values) else UNKNOWN

    return walk.memory.over(items, in_one)
