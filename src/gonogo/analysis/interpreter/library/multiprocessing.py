"""Processes and threads that a program starts with one of its functions.

They run what the function says.
"""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import UNHANDLED, Unhandled
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.scalar import NONE
from gonogo.analysis.interpreter.values.varied import settled

SPAWN = (
    "torch.multiprocessing.spawn",
    "torch.multiprocessing.start_processes",
    "torch_xla.distributed.xla_multiprocessing.spawn",
)


@LIBRARY.call(*SPAWN)
def spawn(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`spawn(function, args=(…))`: the function gets its number before them."""
    function, args = settled(given.get(0, "fn")), given.get(1, "args", NONE)
    items, complete = ((), True) if args.is_none() else args.iterate(walk)
    if not isinstance(function, Function) or not complete or given.open:
        return UNHANDLED
    function.call(walk, Arguments([UNKNOWN, *items]), at)
    return UNKNOWN


@LIBRARY.call("multiprocessing.Process", "torch.multiprocessing.Process", "threading.Thread")
def process(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`Process(target=function, args=(…))`: taken to be started where it is made."""
    function = settled(given.keywords.get("target", UNKNOWN))
    args, keywords = given.keywords.get("args"), given.keywords.get("kwargs")
    items, complete = ((), True) if args is None else args.iterate(walk)
    if not isinstance(function, Function) or not complete or given.open or keywords is not None:
        return UNHANDLED
    function.call(walk, Arguments([*items]), at)
    return UNKNOWN
