"""Slices that are called train and test, and have rows in common.

`train, test = order[:400], order[300:]` is one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, in_one_block

_TRAIN = re.compile(r"(?:^|_)train(?:ing)?(?:_|$)", re.IGNORECASE)
_TEST = re.compile(r"(?:^|_)test(?:ing)?(?:_|$)", re.IGNORECASE)
_ROWS = frozenset(
    [
        "x",
        "y",
        "data",
        "dataset",
        "set",
        "rows",
        "row",
        "idx",
        "ids",
        "index",
        "indices",
        "inds",
        "order",
        "samples",
        "images",
        "labels",
        "targets",
        "texts",
        "files",
        "paths",
        "examples",
        "df",
        "table",
        "part",
        "features",
        "inputs",
        "series",
    ]
)
_LOOKS_BACK = re.compile(r"look_?back|window|\blags?\b|n_lags|seq_?len|sequence_length|time_?steps|horizon|history", re.IGNORECASE)
_TRIES = re.compile(r"debug|smoke|dry|fast|overfit|tiny|quick|sanity|demo|toy", re.IGNORECASE)


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
    if _LOOKS_BACK.search(module.text):
        return  # the test slice begins with what its first window looks back at
    found: dict[tuple[object, str], list[Slice]] = {}
    bound: dict[tuple[object, str], list[int]] = {}
    for node in module.of(ast.Assign):
        scope = enclosing_function(module, node)
        for name, value in _pairs(node):
            bound.setdefault((scope, name), []).append(node.lineno)
            cut = _slice(name, value)
            if cut is not None and isinstance(cut.node.value, ast.Name) and not _is_tried(module, node):
                found.setdefault((scope, cut.node.value.id), []).append(cut)
    for key, slices in found.items():
        lines = bound.get(key, [])
        for test, train in _partners(module, slices):
            between = sorted((test.node.lineno, train.node.lineno))
            is_rebound = any(between[0] <= line <= between[1] for line in lines)
            if not is_rebound and _meet(test, train):
                yield test, train


def _partners(module: Module, slices: list[Slice]) -> Iterator[tuple[Slice, Slice]]:
    """Each test slice with the training slice that goes with it.

    It is the nearest of a like name in the same block.

    Folds that are written one after another have others, whose rows are in the test slice.
    """
    named = sorted((cut for cut in slices if _rest(cut.name) is not None), key=lambda cut: (cut.node.lineno, cut.node.col_offset))
    is_test_first = bool(named) and _TEST.search(named[0].name) is not None
    for test in named:
        if not _TEST.search(test.name):
            continue
        like = [
            cut
            for cut in named
            if _TRAIN.search(cut.name) and _rest(cut.name) == _rest(test.name) and in_one_block(module, cut.node, test.node)
        ]
        at = test.node.lineno
        train = min(like, key=lambda cut: (abs(cut.node.lineno - at), (cut.node.lineno < at) is is_test_first), default=None)
        if train is not None:
            yield test, train


def _rest(name: str) -> str | None:
    """What a name says beside train and test, if it is that of rows: no steps, metrics or keys."""
    rest = "_".join(part for part in _TEST.sub("_", _TRAIN.sub("_", name)).lower().split("_") if part)
    is_part = (_TRAIN.search(name) is None) is not (_TEST.search(name) is None)
    return rest if is_part and all(part.isdigit() or part in _ROWS for part in rest.split("_") if part) else None


def _is_tried(module: Module, node: ast.AST) -> bool:
    """Whether a statement stands in a branch for a try on a few rows."""
    tests = (parent.test for parent in ancestors(module, node) if isinstance(parent, ast.If))
    return any(_TRIES.search(ast.unparse(test)) for test in tests)


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
