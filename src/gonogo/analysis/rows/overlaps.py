"""Slices that are called train and test, and have rows in common.

`train, test = order[:400], order[300:]` is one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function

_TRAIN = re.compile(r"(?:^|_)train(?:ing)?(?:_|$)", re.IGNORECASE)
_TEST = re.compile(r"(?:^|_)test(?:ing)?(?:_|$)", re.IGNORECASE)


class Slice(NamedTuple):
    """A slice with bounds that are written out, and the name that it is given."""

    name: str
    node: ast.Subscript
    start: int
    stop: int | None


def overlaps(module: Module) -> Iterator[tuple[Slice, Slice]]:
    """Yield the test slices of a file, each with the training slice of the same rows that it overlaps.

    Both are cut from one name, which nothing binds in between.
    """
    found: dict[tuple[object, str], list[Slice]] = {}
    bound: dict[tuple[object, str], list[int]] = {}
    for node in module.of(ast.Assign):
        scope = enclosing_function(module, node)
        for name, value in _pairs(node):
            bound.setdefault((scope, name), []).append(node.lineno)
            cut = _slice(name, value)
            if cut is not None and isinstance(cut.node.value, ast.Name):
                found.setdefault((scope, cut.node.value.id), []).append(cut)
    for key, slices in found.items():
        lines = bound.get(key, [])
        for test in slices:
            for train in slices:
                between = sorted((test.node.lineno, train.node.lineno))
                is_rebound = any(between[0] <= line <= between[1] for line in lines)
                if _TEST.search(test.name) and _TRAIN.search(train.name) and not is_rebound and _meet(test, train):
                    yield test, train


def _pairs(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """The names that an assignment binds, each with its value."""
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple):
            values = (
                node.value.elts
                if isinstance(node.value, ast.Tuple) and len(node.value.elts) == len(target.elts)
                else [node.value] * len(target.elts)
            )
            yield from ((each.id, value) for each, value in zip(target.elts, values, strict=True) if isinstance(each, ast.Name))


def _slice(name: str, value: ast.expr) -> Slice | None:
    if not isinstance(value, ast.Subscript) or not isinstance(value.slice, ast.Slice) or value.slice.step is not None:
        return None
    start, stop = (_number(bound) for bound in (value.slice.lower, value.slice.upper))
    is_known = (value.slice.lower is None or start is not None) and (value.slice.upper is None or stop is not None)
    return Slice(name, value, start or 0, stop) if is_known else None


def _number(bound: ast.expr | None) -> int | None:
    return bound.value if isinstance(bound, ast.Constant) and type(bound.value) is int else None


def _meet(one: Slice, other: Slice) -> bool:
    """Whether two slices that are not empty have rows in common."""
    ends = [each.stop for each in (one, other) if each.stop is not None]
    return 0 not in ends and max(one.start, other.start) < min(ends, default=1 << 62)
