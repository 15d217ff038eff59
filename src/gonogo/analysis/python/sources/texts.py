"""The texts that an expression may be, as patterns with unknown stretches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.sources.origins import Part, Source
from gonogo.analysis.python.sources.resolve import Sources

# Stands for any stretch of text; no text of a program has it.
ANY = "\0"
MAX_TEXTS = 64
MAX_DEPTH = 8
PLACEHOLDER = re.compile(r"%(?:\([^)]*\))?[-+ #0]*[\d*]*(?:\.[\d*]+)?[a-zA-Z]|\{[^{}]*\}")


def texts(sources: Sources, module: Module, node: ast.expr, *path: str | int | Part, depth: int = 0) -> set[str]:
    """Every text that an expression may be; `ANY` alone where nothing is known of it."""
    if depth > MAX_DEPTH:
        return {ANY}
    result = sources.follow(module, node, *path)
    known = set() if result.complete else {ANY}
    for source in result.sources:
        known |= _of(sources, source, depth)
    return known if len(known) <= MAX_TEXTS else {ANY}


def may_be(pattern: str, text: str) -> bool:
    """Return whether a pattern may stand for a text.

    This is not done with a regular expression, since one with many `.*` can take forever.
    """
    first, *middle = pattern.split(ANY)
    if not middle:
        return pattern == text
    last = middle.pop()
    place, end = len(first), len(text) - len(last)
    if place > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:  # each as far to the left as it goes: that leaves the most to the others
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


def _of(sources: Sources, source: Source, depth: int) -> set[str]:
    node, module = source.node, source.module
    if source.path:
        return {ANY}
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.JoinedStr):
        return _joined(_of_part(sources, module, part, depth) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined(texts(sources, module, part, depth=depth + 1) for part in (node.left, node.right))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return {PLACEHOLDER.sub(ANY, text) for text in texts(sources, module, node.left, depth=depth + 1)}
    if isinstance(node, ast.Call):
        return _of_call(sources, module, node, depth)
    return {ANY}


def _of_part(sources: Sources, module: Module, part: ast.expr, depth: int) -> set[str]:
    if not isinstance(part, ast.FormattedValue):
        return texts(sources, module, part, depth=depth + 1)
    return {ANY} if part.format_spec is not None or part.conversion != -1 else texts(sources, module, part.value, depth=depth + 1)


def _of_call(sources: Sources, module: Module, call: ast.Call, depth: int) -> set[str]:
    if isinstance(call.func, ast.Name) and call.func.id == "str" and len(call.args) == 1:
        return texts(sources, module, call.args[0], depth=depth + 1)
    if not isinstance(call.func, ast.Attribute):
        return {ANY}
    method = call.func.attr
    if method in ("lower", "upper", "strip") and not call.args:
        owners = texts(sources, module, call.func.value, depth=depth + 1)
        return {getattr(text, method)() for text in owners}
    if method == "format":
        return {PLACEHOLDER.sub(ANY, text) for text in texts(sources, module, call.func.value, depth=depth + 1)}
    return {ANY}


def _joined(parts: Iterable[set[str]]) -> set[str]:
    """Every way to put one text of each part together."""
    known = {""}
    for part in parts:
        known = {left + right for left in known for right in part}
        if len(known) > MAX_TEXTS:
            return {ANY}
    return known or {ANY}
