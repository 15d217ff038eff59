"""Texts that code builds from pieces: joined, formatted, reversed, decoded.

Only literals are used, and nothing is executed.
"""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
from collections.abc import Callable

from gonogo.analysis.python.modules import Module, qualified_name

MAX_DEPTH = 12
MAX_LENGTH = 10_000
_PLAIN: dict[str, Callable[[str], str]] = {
    "lower": str.lower, "upper": str.upper, "strip": str.strip, "title": str.title, "swapcase": str.swapcase, "casefold": str.casefold,
}  # fmt: skip


def spelled(module: Module, node: ast.AST | None, depth: int = 0) -> str | None:
    """The text that an expression of literals stands for, None where it is none."""
    if node is None or depth > MAX_DEPTH:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else node.value.decode("latin-1") if isinstance(node.value, bytes) else None
    reader = _READERS.get(type(node))
    found = reader(module, node, depth + 1) if reader is not None else None
    return found if found is None or len(found) <= MAX_LENGTH else None


def _sum(module: Module, node: ast.BinOp, depth: int) -> str | None:
    if not isinstance(node.op, ast.Add):
        return None
    left, right = spelled(module, node.left, depth), spelled(module, node.right, depth)
    return left + right if left is not None and right is not None else None


def _formatted(module: Module, node: ast.JoinedStr, depth: int) -> str | None:
    parts = [spelled(module, part.value if isinstance(part, ast.FormattedValue) else part, depth) for part in node.values]
    return "".join(part for part in parts if part is not None) if all(part is not None for part in parts) else None


def _name(module: Module, node: ast.Name, depth: int) -> str | None:
    bound = module.assigned.get(node.id, [])
    return spelled(module, bound[0], depth) if len(bound) == 1 else None


def _slice(module: Module, node: ast.Subscript, depth: int) -> str | None:
    whole = spelled(module, node.value, depth)
    part = node.slice
    if whole is None or not isinstance(part, ast.Slice):
        return None
    bounds = []
    for bound in (part.lower, part.upper, part.step):
        try:
            bounds.append(ast.literal_eval(bound) if bound is not None else None)
        except ValueError:
            return None
    try:
        return whole[slice(*bounds)]
    except (TypeError, ValueError):
        return None


def _call(module: Module, node: ast.Call, depth: int) -> str | None:
    name = qualified_name(node.func)
    short = name.rpartition(".")[2] if name else node.func.attr if isinstance(node.func, ast.Attribute) else ""
    first = node.args[0] if node.args else None
    if short == "chr" and isinstance(first, ast.Constant) and isinstance(first.value, int):
        return chr(first.value) if 0 <= first.value < 0x110000 else None
    if short == "join" and isinstance(node.func, ast.Attribute):
        return _join(module, node.func.value, first, depth)
    if isinstance(node.func, ast.Attribute):
        owner = spelled(module, node.func.value, depth)
        if owner is not None:
            return _method(module, node, owner, short, depth)
    text = spelled(module, first, depth)
    return _decoded(short, text) if text is not None else None


def _join(module: Module, glue: ast.expr, first: ast.expr | None, depth: int) -> str | None:
    between = spelled(module, glue, depth)
    if between is None:
        return None
    if isinstance(first, (ast.List, ast.Tuple)):
        parts = [spelled(module, entry, depth) for entry in first.elts]
        return between.join(part for part in parts if part is not None) if all(part is not None for part in parts) else None
    if (
        isinstance(first, ast.Call)
        and qualified_name(first.func) == "map"
        and len(first.args) == 2
        and qualified_name(first.args[0]) == "chr"
    ):
        try:
            return between.join(map(chr, ast.literal_eval(first.args[1])))
        except (ValueError, TypeError, OverflowError):
            return None
    if isinstance(first, ast.Call) and qualified_name(first.func) == "reversed" and first.args:
        whole = spelled(module, first.args[0], depth)
        return between.join(reversed(whole)) if whole is not None else None
    return None


def _method(module: Module, node: ast.Call, owner: str, short: str, depth: int) -> str | None:
    given = [spelled(module, entry, depth) for entry in node.args]
    if short in _PLAIN and not given:
        return _PLAIN[short](owner)
    if short in ("decode", "encode"):
        return owner
    texts = [text for text in given if text is not None]
    if len(texts) != len(given):
        return None
    if short == "replace" and len(texts) == 2:
        return owner.replace(texts[0], texts[1])
    return owner.format(*texts) if short == "format" and owner.count("{}") == len(texts) and owner.count("{") == len(texts) else None


def _decoded(short: str, text: str) -> str | None:
    try:
        if short in ("b64decode", "standard_b64decode", "urlsafe_b64decode"):
            return base64.b64decode(text).decode("utf-8", "replace")
        if short in ("fromhex", "unhexlify", "a2b_hex"):
            return bytes.fromhex(text).decode("utf-8", "replace")
        if short == "decode":
            return codecs.decode(text, "rot13")
    except (ValueError, binascii.Error):
        return None
    return text if short in ("str", "bytes", "repr") else None


_READERS: dict[type[ast.AST], Callable[..., str | None]] = {
    ast.BinOp: _sum, ast.JoinedStr: _formatted, ast.Name: _name, ast.Subscript: _slice, ast.Call: _call,
}  # fmt: skip
