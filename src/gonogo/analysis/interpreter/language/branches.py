"""`if` and `match`."""

from __future__ import annotations

import ast
from collections.abc import Callable

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Value, Walk
from gonogo.analysis.interpreter.language.bindings import bind
from gonogo.analysis.interpreter.language.blocks import branch, execute
from gonogo.analysis.interpreter.language.operators import compare
from gonogo.analysis.interpreter.language.tables import Signal, statement
from gonogo.analysis.interpreter.trace import Access
from gonogo.analysis.interpreter.values.scalar import Scalar


@statement(ast.If)
def if_(walk: Walk, node: ast.If, frame: Frame) -> Signal | None:
    """`if test: … else: …`."""
    seen = len(walk.state.events.entries)
    answer = walk.evaluate(node.test, frame).truth()
    if answer is not None:
        return execute(walk, node.body if answer else node.orelse, frame)
    walk.state.leave_open(node)
    # Where the condition hangs on an absent key, that key is the fault, and what follows is what the author meant to happen.
    dispatch = not walk.state.meets_cases and walk.state.module.once(_is_dispatch, node.test) and not _lacks_key(walk, seen)

    def body() -> Signal | None:
        # `if key == "name":` with an unknown key picks a case; whether this run ever meets it is not known.
        with walk.state.doubtful(dispatch):
            return execute(walk, node.body, frame)

    return branch(walk, [body, lambda: execute(walk, node.orelse, frame)], frame)


def _lacks_key(walk: Walk, seen: int) -> bool:
    """Whether a key was asked for since then that is not there, and nothing survives that."""
    new = walk.state.events.entries[seen:]
    return any(isinstance(event, Access) and not event.guarded and runs & walk.memory.now for runs, event in new)


def _is_dispatch(test: ast.expr) -> bool:
    """Whether a condition compares something with a text: a choice among named cases."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.In)) for op in node.ops):
            sides = (node.left, *node.comparators)
            parts = [part for side in sides for part in (side.elts if isinstance(side, (ast.List, ast.Tuple, ast.Set)) else [side])]
            if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
                return True
    return False


@statement(ast.Match)
def match(walk: Walk, node: ast.Match, frame: Frame) -> Signal | None:
    """`match subject: case …`."""
    subject = walk.evaluate(node.subject, frame)
    sides: list[Callable[[], Signal | None]] = []
    for case in node.cases:
        answer = _matches(walk, case, subject, frame)
        if answer is False:
            continue
        for name in _captures(case.pattern):
            bind(walk, name, subject if isinstance(case.pattern, ast.MatchAs) else UNKNOWN, frame)
        if case.guard is not None and answer is True:
            answer = walk.evaluate(case.guard, frame).truth()
        if answer is True and not sides:
            return execute(walk, case.body, frame)
        sides.append(lambda case=case: execute(walk, case.body, frame))  # type: ignore[misc]
        if answer is True:
            break
    else:
        sides.append(lambda: None)
    return branch(walk, sides, frame)


def _matches(walk: Walk, case: ast.match_case, subject: Value, frame: Frame) -> bool | None:
    patterns = case.pattern.patterns if isinstance(case.pattern, ast.MatchOr) else [case.pattern]
    answers: list[bool | None] = []
    for pattern in patterns:
        if isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
            answers.append(True)
        elif isinstance(pattern, ast.MatchValue):
            answers.append(compare(walk, subject, ast.Eq(), walk.evaluate(pattern.value, frame), pattern))
        elif isinstance(pattern, ast.MatchSingleton):
            answers.append(compare(walk, subject, ast.Is(), Scalar(pattern.value), pattern))
        elif isinstance(pattern, ast.MatchClass):
            name = walk.evaluate(pattern.cls, frame).type_name()
            is_one = subject.is_instance(walk, frozenset({name}), pattern) if name else None
            answers.append(False if is_one is False else None)
        else:
            answers.append(None)
    return True if True in answers else None if None in answers else False


def _captures(pattern: ast.pattern) -> list[str]:
    return [node.name for node in ast.walk(pattern) if isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name]
