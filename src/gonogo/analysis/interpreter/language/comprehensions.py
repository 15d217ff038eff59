"""Comprehensions and generator expressions."""

from __future__ import annotations

import ast
from contextlib import ExitStack

from gonogo.analysis.interpreter.base import Frame, Spread, Value, Walk
from gonogo.analysis.interpreter.language.bindings import assign
from gonogo.analysis.interpreter.language.tables import expression
from gonogo.analysis.interpreter.memory import Cells
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN
from gonogo.analysis.interpreter.values.choice import any_of, lose
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.sequence import Sequence

MAX_UNROLLED = 64
Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


class _Result:
    """What a comprehension has made so far."""

    def __init__(self) -> None:
        self.items: list[Value] = []
        self.content = Spread()
        self.open = False
        self.unsure = 0


@expression(ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
def comprehension(walk: Walk, node: Comprehension, frame: Frame) -> Value:
    """`[f(x) for x in y if z]`."""
    result = _Result()
    _generate(walk, node, 0, Frame(frame.module, Cells(), frame.globals, frame, frame.function), result)
    if isinstance(node, ast.DictComp):
        result.content.open = result.content.open or result.open
        return Mapping(result.content)
    return Sequence(result.items, result.open, "set" if isinstance(node, ast.SetComp) else "list")


def _generate(walk: Walk, node: Comprehension, index: int, frame: Frame, result: _Result) -> None:
    """The rounds of one `for`, and of those after it."""
    if index == len(node.generators):
        _add(walk, node, frame, result)
        return
    generator = node.generators[index]
    source = walk.evaluate(generator.iter, frame)
    items, complete = source.iterate(walk)
    if not complete or len(items) > MAX_UNROLLED:
        items, result.open = [any_of(walk, items)], True
    with walk.state.looping(source.loop_path):
        for item in items:
            assign(walk, generator.target, item, frame)
            _round(walk, node, index, generator, frame, result)
    if result.open and not complete:
        lose(walk, result.items)
        result.items.clear()


def _round(walk: Walk, node: Comprehension, index: int, generator: ast.comprehension, frame: Frame, result: _Result) -> None:
    before = result.unsure
    with ExitStack() as stack:
        for test in generator.ifs:
            answer = walk.evaluate(test, frame).truth()
            if answer is False:
                break
            if answer is None:
                result.open = True
                result.unsure += 1
                stack.enter_context(walk.state.maybe())
        else:
            _generate(walk, node, index + 1, frame, result)
    result.unsure = before


def _add(walk: Walk, node: Comprehension, frame: Frame, result: _Result) -> None:
    if not isinstance(node, ast.DictComp):
        result.items.append(walk.evaluate(node.elt, frame))
        return
    key, value = walk.evaluate(node.key, frame).constant(), walk.evaluate(node.value, frame)
    if key is NOT_KNOWN:
        result.content.open = True
        return
    result.content.add(key, value)
    if result.unsure:
        result.content.maybe.add(key)
