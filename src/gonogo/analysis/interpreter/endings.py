"""Whether an exception surely ends the run."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.state import State
from gonogo.analysis.python.modules import qualified_name

EXITS = frozenset({"sys.exit", "exit", "quit", "os._exit"})


def ends_the_run(state: State, *names: str) -> bool:
    """Return whether an exception surely ends the run here.

    The exception is given by its name and those of its base classes. It ends the run if it is raised for certain and no handler goes on
    after it.
    """
    if not state.is_inevitable:
        return False
    handlers = [handler for tried in state.tries for handler in tried.handlers]
    return not any(_takes(handler, names) and not _stops(handler) for handler in handlers)


def _takes(handler: ast.ExceptHandler, names: tuple[str, ...]) -> bool:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type else []
    known = [qualified_name(entry).rpartition(".")[2] for entry in types]
    return not known or any(not name or name in (*names, "BaseException") for name in known)


def _stops(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    ends = isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and qualified_name(last.value.func) in EXITS
    return ends or isinstance(last, ast.Raise)
