"""Loops over the batches of a loader that are left after a number of them that is written in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, calls, enclosing_function, last_name

LOADERS = re.compile(r"loader|batches|(?:^|_)dl\b", re.IGNORECASE)
SCORES = re.compile(r"evaluat|predict|validat|test|score", re.IGNORECASE)
LOOPS = (ast.For, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


@dataclass(frozen=True)
class Cut:
    """A loop over batches that is cut.

    Attributes:
        loop: the loop, or the comprehension.
        at: what cuts it.
        source: what it goes through.
        batches: after how many it ends.
        learns: whether gradients are computed in it.
    """

    loop: ast.AST
    at: ast.AST
    source: ast.expr
    batches: int
    learns: bool


def cuts(module: Module) -> Iterator[Cut]:
    """Yield the cut loops of a module in which a network learns or is scored.

    A loop scores where the name of its function says so.
    """
    for loop in module.of(ast.For):
        yield from (cut for cut in _left(loop) if _counts(module, cut))
    for call in calls(module):
        if last_name(call.func) == "islice" and len(call.args) == 2 and LOADERS.search(ast.unparse(call.args[0])):
            stop = call.args[1]
            around = next((entry for entry in ancestors(module, call) if isinstance(entry, (*LOOPS, ast.stmt))), None)
            if isinstance(around, LOOPS) and isinstance(stop, ast.Constant) and type(stop.value) is int:
                cut = Cut(around, call, call, stop.value, _learns(around))
                if _counts(module, cut):
                    yield cut


def _counts(module: Module, cut: Cut) -> bool:
    function = enclosing_function(module, cut.loop)
    return cut.learns or (function is not None and SCORES.search(function.name) is not None)


def _learns(loop: ast.AST) -> bool:
    return any(isinstance(node, ast.Call) and last_name(node.func) == "backward" for node in ast.walk(loop))


def _left(loop: ast.For) -> Iterator[Cut]:
    """Where a loop over `enumerate(loader)` is left by a condition on its counter alone."""
    counter = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) and loop.target.elts else None
    if not isinstance(counter, ast.Name) or not isinstance(loop.iter, ast.Call) or last_name(loop.iter.func) != "enumerate":
        return
    if not LOADERS.search(ast.unparse(loop.iter)) or len(loop.iter.args) != 1:
        return
    for place, branch in enumerate(loop.body):
        if isinstance(branch, ast.If) and len(branch.body) == 1 and isinstance(branch.body[0], ast.Break):
            batches = _batches(branch.test, counter.id)
            if batches is not None:
                yield Cut(loop, branch, loop.iter, batches + (place > 0), _learns(loop))


def _batches(test: ast.expr, counter: str) -> int | None:
    """At which number of batches a condition first holds: `step >= 2`, `step == 2`, `step > 1`."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name) and test.left.id == counter):
        return None
    bound = test.comparators[0]
    if not isinstance(bound, ast.Constant) or type(bound.value) is not int:
        return None
    if isinstance(test.ops[0], (ast.GtE, ast.Eq)):
        return bound.value
    return bound.value + 1 if isinstance(test.ops[0], ast.Gt) else None
