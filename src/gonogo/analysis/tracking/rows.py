"""The rows that each run logs to W&B, and requests for rows of a history that hold several keys."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import Value
from gonogo.analysis.interpreter.memory import Diverged
from gonogo.analysis.interpreter.trace import Call, Trace
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls
from gonogo.analysis.python.sources.texts import ANY
from gonogo.analysis.tracking.asked_keys import AskedKeys
from gonogo.analysis.tracking.logged_keys import LoggedKeys

LOGS = frozenset({"wandb.log", "wandb.init().log", "wandb.run.log"})
# What makes no row of its own: it says how keys are shown, or logs beside the rows of others.
NO_ROWS = frozenset({"define_metric", "watch"})
MAX_BELOW = 4


@dataclass(frozen=True)
class RowRequest:
    """A request for the rows of a history that hold all of some keys.

    It is `run.history(keys=…)` or `run.scan_history(keys=…)`.
    """

    module: Module
    call: ast.Call
    keys: tuple[str, ...]


def row_requests(asked: AskedKeys) -> Iterator[RowRequest]:
    """Every request whose keys are known."""
    for call in calls(asked.module):
        keys = tuple(key for key in asked.keys_of_request(call) if not key.startswith("_"))  # those are W&B's own, in every row
        if len(keys) > 1:
            yield RowRequest(asked.module, call, keys)


def rows_of(trace: Trace, logged: LoggedKeys) -> list[frozenset[str]] | None:
    """Return the keys of every row that a run may log, each row with all that it may hold.

    None where that is not known.

    Args:
        trace: of the run.
        logged: what the text says of every place that logs.
    """
    if not trace.complete or logged.unknown:
        return None
    seen: set[int] = set()
    rows: list[frozenset[str]] = []
    for call in trace.calls:
        if call.name in LOGS:
            row = _row(call)
            if row is None:
                return None
            seen.add(id(call.site.node))
            rows.append(row)
    for place in logged.places:
        if not place.in_history or id(place.node) in seen or _makes_no_row(place.node):
            continue
        if not isinstance(place.node, ast.Call) or _joins_others(place.node) or any(ANY in key for key in place.keys):
            return None
        rows.append(place.keys)
    return rows


def _makes_no_row(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NO_ROWS


def _joins_others(call: ast.Call) -> bool:
    """Return whether logged values may join a row that another call began.

    They may because of their step, or because the row is not yet complete.
    """
    return len(call.args) > 1 or any(keyword.arg in (None, "step", "commit") for keyword in call.keywords)


def _row(call: Call) -> frozenset[str] | None:
    """Return all keys that the row of one call may hold.

    None where that is not known, or where another call may add to the row.
    """
    data = call.argument("data", 0)
    if call.open_keywords or len(call.arguments) > 1 or call.keywords.keys() - {"data"} or data is None:
        return None
    try:
        keys = list(_keys(data, 0))
    except Diverged:
        return None  # deep inside it is not the same for all runs
    return None if None in keys else frozenset(key for key in keys if key is not None)


def _keys(data: Value, depth: int) -> Iterator[str | None]:
    """Yield the keys of a row, with dotted names for those of mappings inside it.

    None where there may be other keys.
    """
    if not isinstance(data, Mapping) or data.open or depth > MAX_BELOW:
        yield None
        return
    for key, value in data.items.pairs():
        name = key if isinstance(key, str) else None
        yield name
        if isinstance(value, Mapping):
            yield from (None if inner is None or name is None else f"{name}.{inner}" for inner in _keys(value, depth + 1))
