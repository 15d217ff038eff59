"""What a run is for: the statements that log its numbers and those that train.

Also whether a trace reaches any of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, last_name, statement_of
from gonogo.analysis.tracking.logged_keys import LoggedKeys

#: Methods that compute gradients, or train a whole model.
TRAINS = frozenset({"backward", "manual_backward", "fit", "partial_fit", "fit_generator", "train_on_batch", "minimize", "apply_gradients"})


def logging_statements(logged: LoggedKeys, modules: Iterable[Module]) -> list[ast.stmt]:
    """The statements of some modules that log a number."""
    listed = set(modules)
    found = [statement_of(place.module, place.node) for place in logged.places if place.module in listed]
    return [statement for statement in found if statement is not None]


def training_statements(modules: Iterable[Module]) -> list[ast.stmt]:
    """The statements of some modules that compute gradients, or train a whole model."""
    return list(dict.fromkeys(_training_statements(modules)))


def _training_statements(modules: Iterable[Module]) -> Iterator[ast.stmt]:
    for module in modules:
        for call in calls(module):
            if isinstance(call.func, ast.Attribute) and (call.func.attr in TRAINS or _is_trainer(call.func)):
                statement = statement_of(module, call)
                if statement is not None:
                    yield statement


def _is_trainer(callee: ast.Attribute) -> bool:
    return callee.attr == "train" and "trainer" in last_name(callee.value).lower()


def reached(trace: Trace, statements: Iterable[ast.stmt]) -> set[int]:
    """Which statements a run may come to, by `id`; none of the others, where the trace is complete."""
    return {id(statement) for statement in statements} & trace.executed
