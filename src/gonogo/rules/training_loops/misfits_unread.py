"""TRN119."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, constant, options
from gonogo.analysis.python.handlers import handler_around
from gonogo.analysis.python.names import enclosing_function, last_name, last_names
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

STATE = "state_dict"
DIFFERENCES = frozenset({"difference", "symmetric_difference", "issubset", "issuperset"})
SPEAKS = frozenset({"print", "warn", "warning", "info", "error", "debug", "log", "write", "exit", "print_rank_0", "rank0_print"})


@rule("TRN119", "misfits-unread", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def misfits_unread(programs: list[Program]) -> Iterator[Violation]:
    """Weights are loaded with `strict=False`, and nothing looks at which of them did not fit.

    What it does:
        Speaks where `load_state_dict(…, strict=False)` stands alone, so that the missing and unexpected keys that it returns are lost.
        It is silent where strict loading was tried first and failed, where the weights are the `state_dict()` of a network of the
        program, perhaps updated, and where the same function compares the names with those of the network and says which are missing.

    Why it matters:
        With other names in the file, such as a prefix `module.`, not a single weight is loaded, and the network goes on with random
        ones (PyTorch, `torch.nn.Module.load_state_dict`).

    Instead:
        Keep what it returns, and check that `missing_keys` holds only what is meant to be new.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for event in walked.calls("load_state_dict"):
        given = event.call.argument(1, "strict")
        is_lost = given is not None and constant(given) is False and isinstance(event.module.parents.get(event.node), ast.Expr)
        if is_lost and not _is_of_this_program(event) and not _is_second_try(event) and not _is_told_of(event):
            yield violation(
                event,
                "weights that do not fit are passed over here, and nothing looks at which they were",
                "keep what `load_state_dict` returns, and check its `missing_keys`",
            )


def _is_of_this_program(event: Event) -> bool:
    """Whether the weights are the state of a network of this program, perhaps updated."""
    given = event.call.argument(0, "state_dict")
    return given is not None and all(isinstance(option, Call) and option.method == "state_dict" for option in options(given))


def _is_second_try(event: Event) -> bool:
    """Whether it stands where strict loading has just failed, which told what does not fit."""
    handler = handler_around(event.module, event.node)
    tried = event.module.parents.get(handler) if handler is not None else None
    body = tried.body if isinstance(tried, ast.Try) else []
    calls = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return any(last_name(call.func) == "load_state_dict" and "strict=False" not in ast.unparse(call) for call in calls)


def _is_told_of(event: Event) -> bool:
    """Whether the function around it compares names of weights with those of a network.

    It must also tell of it, or end the program.
    """
    function = enclosing_function(event.module, event.node)
    nodes = list(ast.walk(function)) if function is not None else event.module.nodes
    states: set[str] = set()  # what holds the state of a network, and each name in it
    for node in nodes:
        if isinstance(node, ast.Assign) and STATE in last_names(node.value):
            states |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in nodes:
        if isinstance(node, (ast.For, ast.comprehension)) and last_names(node.iter) & (states | {STATE}):
            states |= last_names(node.target)
    compared: set[str] = set()  # what is made of two sets of names
    for node in nodes:
        if isinstance(node, ast.Assign) and _compares(node.value, states):
            compared |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return any(_tells(node, states, compared) for node in nodes)


def _tells(node: ast.AST, states: set[str], compared: set[str]) -> bool:
    """Whether a statement says which names differ.

    It is a test with a message behind it, an assertion, or the difference printed.
    """
    if isinstance(node, ast.If):
        spoken = [inner for statement in (*node.body, *node.orelse) for inner in ast.walk(statement)]
        return (_compares(node.test, states) or bool(last_names(node.test) & compared)) and any(map(_speaks, spoken))
    if isinstance(node, ast.Assert):
        return _compares(node.test, states) or bool(last_names(node.test) & compared)
    if isinstance(node, ast.Call) and _speaks(node):
        return any(_compares(given, states) or last_names(given) & compared for given in node.args)
    return False


def _compares(node: ast.AST, states: set[str]) -> bool:
    """Whether an expression holds names of weights against the `state_dict()` of a network."""
    for inner in ast.walk(node):
        is_test = isinstance(inner, ast.Compare) and isinstance(inner.ops[0], (ast.In, ast.NotIn, ast.Eq, ast.NotEq))
        is_difference = isinstance(inner, ast.BinOp) and isinstance(inner.op, (ast.Sub, ast.BitXor))
        is_method = isinstance(inner, ast.Call) and last_name(inner.func) in DIFFERENCES
        if (is_test or is_difference or is_method) and (STATE in (names := last_names(inner)) or names & states):
            return True
    return False


def _speaks(node: ast.AST) -> bool:
    return isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and last_name(node.func) in SPEAKS)


PROGRAM = """import torch
from torch import nn

model = nn.Linear(4, 1)
{load}
print(model(torch.randn(2, 4)))
"""
BAD = program(PROGRAM.format(load='model.load_state_dict(torch.load("weights.pt"), strict=False)  # <- here'))
GOOD = [
    program(PROGRAM.format(load='misfits = model.load_state_dict(torch.load("weights.pt"), strict=False); print(misfits)')),
    program(PROGRAM.format(load='model.load_state_dict(torch.load("weights.pt"))')),
    program(
        PROGRAM.format(load='own = model.state_dict()\nown.update(torch.load("weights.pt"))\nmodel.load_state_dict(own, strict=False)')
    ),
    program(
        PROGRAM.format(
            load='state = torch.load("weights.pt")\ntry:\n    model.load_state_dict(state)\n'
            "except RuntimeError as error:\n    print(error)\n    model.load_state_dict(state, strict=False)"
        )
    ),
]
