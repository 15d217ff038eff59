"""Exceptions that the experiment's own code catches.

It is recorded where, what was raised, and how much a network had been trained in the block.

The source of the experiment's modules is changed as it is loaded: each `try` block says that it begins, each handler that it caught.
"""

from __future__ import annotations

import ast
import builtins
import sys
import threading
from collections.abc import Callable
from typing import Any

from . import channel, events, places

TRYING, CAUGHT = "__gonogo_trying__", "__gonogo_caught__"
MOST = 50
_TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))  # `except*` came with Python 3.11
_ENDS = {"exit", "_exit", "quit", "abort", "fail", "kill"}


def _no_work() -> tuple[int, int, int]:
    return 0, 0, 0


#: How many forward passes, backward passes and steps there were so far.
work: Callable[[], tuple[int, int, int]] = _no_work
_begun: dict[tuple[int, str, int], tuple[int, int, int]] = {}
_caught: dict[tuple[str, int, str], dict[str, Any]] = {}
_told: dict[tuple[str, int, str], tuple[int, int]] = {}


def start() -> None:
    """Make the functions known that the changed code calls."""
    setattr(builtins, TRYING, trying)
    setattr(builtins, CAUGHT, caught)
    channel.on_flush(_report)


def instrument(tree: ast.Module, path: str) -> None:
    """Have every `try` block with handlers, and every handler, call us first."""
    for node in list(ast.walk(tree)):
        if not isinstance(node, _TRIES) or not node.handlers:
            continue
        node.body.insert(0, _call(TRYING, path, node.lineno))
        for handler in node.handlers:
            handler.body.insert(0, _call(CAUGHT, path, node.lineno, handler.lineno, _goes_on(handler)))


def _call(name: str, *values: Any) -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name(name, ast.Load()), [ast.Constant(value) for value in values], []))


def _goes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler never raises and never ends the program."""
    for node in (node for statement in handler.body for node in ast.walk(statement)):
        if isinstance(node, ast.Raise):
            return False
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
            if name in _ENDS:
                return False
    return True


def trying(path: str, line: int) -> None:
    """A `try` block begins."""
    _begun[threading.get_ident(), path, line] = work()


def caught(path: str, line: int, handler: int, goes_on: bool) -> None:
    """A handler of a `try` block caught something."""
    error = sys.exc_info()[1]
    if error is None:
        return
    key = (path, handler, type(error).__name__)
    if key not in _caught and len(_caught) >= MOST:
        return
    now = work()
    begun = _begun.get((threading.get_ident(), path, line), now)
    frames = places.frames(error.__traceback__)
    entry = _caught.setdefault(key, {"times": 0, "forwards": 0, "backwards": 0, "goes_on": goes_on})
    entry["times"] += 1
    entry["forwards"] += now[0] - begun[0]
    entry["backwards"] += now[1] - begun[1]
    entry["steps"] = now[2]
    entry["message"], entry["raised"] = str(error)[:300], frames[-1][:2] if frames else None


def _report() -> None:
    steps = work()[2]
    for key, entry in list(_caught.items()):
        if _told.get(key) != (entry["times"], steps):
            _told[key] = (entry["times"], steps)
            path, line, kind = key
            more = {name: value for name, value in entry.items() if name != "steps"}
            channel.emit(events.Caught((path, line), kind, steps_after=steps - entry["steps"], **more))
