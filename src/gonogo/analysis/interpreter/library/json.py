"""`json`: it can't write a DictConfig."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.trace import Misuse, Wrong
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.varied import settled


@LIBRARY.call("json.dumps", "json.dump")
def dumps(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`json.dumps(value)`: what is written is seen, not used."""
    value, state = settled(given.get(0, "obj")), walk.state
    helped = {"default", "cls"} & set(given.keywords)
    if isinstance(value, ConfigNode) and value.config and not helped and state.is_certain:
        state.record(Misuse(state.site(at), Wrong.JSON, "`json` can't write a DictConfig"))
    return UNKNOWN
