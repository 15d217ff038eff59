"""`tyro.cli`, `draccus` and `pyrallis`: an object of a dataclass, filled from the command line."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.fields import parsed
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.objects import Class, Record
from gonogo.analysis.interpreter.values.varied import settled

LIBRARY.reads_options("tyro.cli", "pyrallis.parse", "draccus.parse")


@LIBRARY.call("tyro.cli")
def cli(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """Model `tyro.cli(Config)` and `tyro.cli(main)`.

    The first gives an object of the class, or of the class of its default; the second calls the function.
    """
    target, default = settled(given.get(0, "f")), settled(given.keywords.get("default", UNKNOWN))
    if given.open or set(given.keywords) & {"return_unknown_args", "registry"}:
        return UNKNOWN
    if isinstance(target, Function):
        return target.call(walk, Arguments(open=True), at)
    if "default" in given.keywords:
        target = default.cls if isinstance(default, Record) and default.cls is not None else UNKNOWN
    return parsed(walk, target, at) if isinstance(target, Class) and target.is_dataclass else UNKNOWN


@LIBRARY.call("pyrallis.parse", "draccus.parse", "pyrallis.argparsing.parse")
def parse(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`pyrallis.parse(config_class=Config)`."""
    target = settled(given.get(0, "config_class"))
    return parsed(walk, target, at) if isinstance(target, Class) and target.is_dataclass else UNKNOWN
