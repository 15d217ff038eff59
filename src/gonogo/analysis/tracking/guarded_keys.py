"""Keys of a run that evaluation checks for before it uses them, with no fallback.

An example is `if "table" in run.summary: draw(…)`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.handlers import LEAVES
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, origin, text_of
from gonogo.analysis.tracking.asked_keys import HISTORY, SUMMARY, AskedKeys

# Members and calls that have the keys of what they are taken of.
SAME_KEYS = frozenset({"columns", "keys", "tolist", "to_list", "index"})
CONTAINERS = frozenset({"list", "set", "tuple", "sorted", "dict"})


@dataclass(frozen=True)
class GuardedKey:
    """A key that code hangs on.

    Attributes:
        node: the question whether it is there.
        in_history: it is asked of a run's history, else of its summary.
    """

    module: Module
    node: ast.Compare
    key: str
    in_history: bool


def guarded_keys(asked: AskedKeys) -> Iterator[GuardedKey]:
    """Every key of which evaluation asks whether it is there, and does something only if it is."""
    module = asked.module
    for node in module.of(ast.Compare):
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.In):
            continue
        keys = _keys(asked, node.left)
        kind = _kind(asked, node.comparators[0]) if keys else ""
        guard = _guard(module, node) if kind else None
        if guard is not None and not _has_another_way(module, guard, node):
            yield from (GuardedKey(module, node, key, kind == HISTORY) for key in keys if not _stores(module, guard, key, kind))


def _keys(asked: AskedKeys, node: ast.expr) -> list[str]:
    """The texts that are looked for one by one: a text, a name for one, or a loop over a list of them."""
    text = text_of(node)
    if text is not None:
        return [text]
    return [key for key, _ in asked.keys_of_name(node)] if isinstance(node, ast.Name) else []


def _kind(asked: AskedKeys, node: ast.expr) -> str:
    """Whether an expression has the keys of a run's summary or the columns of its history."""
    while True:
        kind = asked.kind(node)
        if kind in (SUMMARY, HISTORY):
            return kind
        if isinstance(node, ast.Attribute) and node.attr in SAME_KEYS:
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAME_KEYS and not node.args:
            node = node.func
        elif isinstance(node, ast.Call) and origin(asked.module, node.func) in CONTAINERS and len(node.args) == 1:
            node = node.args[0]
        else:
            return ""


def _guard(module: Module, node: ast.Compare) -> ast.If | ast.IfExp | None:
    """The condition whose first branch is left out where the key is not there."""
    inside: ast.AST = node
    for parent in ancestors(module, node):
        if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.And):
            inside = parent
        elif isinstance(parent, (ast.If, ast.IfExp)):
            return parent if parent.test is inside else None
        else:
            return None
    return None


def _has_another_way(module: Module, guard: ast.If | ast.IfExp, node: ast.Compare) -> bool:
    """Whether something else is done, or may be, where the key is not there."""
    if isinstance(guard, ast.IfExp):
        return not isinstance(guard.orelse, (ast.Constant, ast.List, ast.Dict, ast.UnaryOp)) or _is_part_of_choice(module, guard)
    parent = module.parents.get(guard)
    if guard.orelse or (isinstance(parent, ast.If) and guard in parent.orelse):
        return True
    inner = [entry for statement in guard.body for entry in ast.walk(statement)]
    if any(isinstance(entry, (ast.Return, ast.Break, ast.Continue, ast.Raise, ast.Yield)) or _leaves(module, entry) for entry in inner):
        return True
    bound = {entry.id for entry in inner if isinstance(entry, ast.Name) and isinstance(entry.ctx, ast.Store)}
    return any(_is_used_after(module, guard, name) for name in bound)


def _is_used_after(module: Module, guard: ast.If, name: str) -> bool:
    """Whether code behind a condition takes what a variable is by then, before it gives it another value."""
    function = enclosing_function(module, guard)
    around = ast.walk(function) if function is not None else iter(module.nodes)
    end = guard.end_lineno or guard.lineno
    behind = [entry for entry in around if isinstance(entry, ast.Name) and entry.id == name and entry.lineno > end]
    first = min((entry.lineno for entry in behind), default=0)
    return any(isinstance(entry.ctx, ast.Load) for entry in behind if entry.lineno == first)


def _is_part_of_choice(module: Module, guard: ast.IfExp) -> bool:
    return isinstance(module.parents.get(guard), (ast.IfExp, ast.BoolOp))


def _leaves(module: Module, node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and origin(module, node.func) in LEAVES


def _stores(module: Module, guard: ast.AST, key: str, kind: str) -> bool:
    """Return whether evaluation itself stores something under a key of a table of the history.

    What is stored inside the code that the condition guards does not count.
    """
    inside = {id(entry) for entry in ast.walk(guard)}
    return kind == HISTORY and any(
        isinstance(node.ctx, ast.Store) and text_of(node.slice) == key and id(node) not in inside for node in module.of(ast.Subscript)
    )
