"""REP108."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Repeated, Value, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import ancestors
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("REP108", "order-of-sets", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def order_of_sets(programs: list[Program]) -> Iterator[Violation]:
    """Items of a set are numbered in the set's order, or results are kept in order of arrival.

    What it does:
        Speaks where classes, words or rows are numbered by `enumerate(set(…))`, where `list(set(…))` is indexed, shuffled or split,
        and where results of `as_completed` or `imap_unordered` are put into a list without what they belong to (a note).

    Why it matters:
        The order of a set of texts changes with each start of Python, since hashes are salted (Python, `object.__hash__`,
        `PYTHONHASHSEED`): a saved model's class 3 is another class when it is loaded, and a split differs in spite of its seed.

    Instead:
        Write `sorted(set(…))`; keep results by the key of their task.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    ordered = {base(event.call.receiver) for event in walked.calls("sort") if event.call.receiver is not None}
    for event in walked.calls("enumerate"):
        given = event.call.arguments[0] if event.call.arguments else None
        if event.call.name == "enumerate" and given is not None and _is_set(given) and base(given) not in ordered and _numbers(event):
            yield _violation(event.call, "numbers are given in the order of a set, another one in each run")
    for event in walked.calls("shuffle", "sample", "train_test_split", "random_split", "choice"):
        for given in event.call.arguments[:1]:
            if event.call.name and _is_set(given) and base(given) not in ordered:
                yield _violation(event.call, "what is drawn goes by the order of a set, another one in each run")
    for loop in walked.all(Loop):
        iterated = plain(loop.iterated) if loop.iterated is not None else None
        if isinstance(iterated, Call) and iterated.short in ("as_completed", "imap_unordered") and _collects(loop):
            yield violation(
                loop,
                "results are kept in the order in which they come in, another one in each run",
                "keep them by the key of their task, or use `map`",
                severity=Severity.INFO,
                sure=False,
            )


def _numbers(event: Event) -> bool:
    """Whether the numbers are kept by what they are given to: in a dict, or written under it."""
    for parent in ancestors(event.module, event.node):
        if isinstance(parent, ast.DictComp):
            return True
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "dict":
            return True
        if isinstance(parent, ast.For):
            counter = parent.target.elts[0] if isinstance(parent.target, ast.Tuple) else None
            name = counter.id if isinstance(counter, ast.Name) else ""
            return any(
                isinstance(inner, ast.Assign)
                and isinstance(inner.value, ast.Name)
                and inner.value.id == name
                and isinstance(inner.targets[0], ast.Subscript)
                for inner in ast.walk(parent)
            )
        if isinstance(parent, ast.stmt):
            return False
    return False


def _violation(at: Call, message: str) -> Violation:
    return violation(at, message, "sort the set first", sure=False)


def _is_set(value: Value) -> bool:
    """Whether a value is a set, or a list in the order of one."""
    for _ in range(6):
        value = base(value)
        if isinstance(value, Display):
            return value.kind == "set" and bool(value.items)
        if isinstance(value, Repeated):
            return value.kind == "set"
        if isinstance(value, Call) and value.name == "set" and not value.arguments:
            return True  # filled later
        if not isinstance(value, Call) or not value.arguments:
            return False
        if value.name in ("set", "frozenset"):
            return not _of_numbers(value)
        if value.name not in ("list", "tuple", "numpy.array"):
            return False
        value = value.arguments[0]
    return False


def _of_numbers(call: Call) -> bool:
    """Whether a set surely is one of small numbers, whose order is the same each time."""
    inner = base(call.arguments[0])
    return isinstance(inner, Call) and inner.short in ("range", "arange", "randint", "argmax", "numpy")  # the last one of a tensor's


def _collects(loop: Loop) -> bool:
    """Whether the body does nothing but append the result."""
    if not isinstance(loop.node, ast.For) or len(loop.node.body) > 2:
        return False
    last = loop.node.body[-1]
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and isinstance(last.value.func, ast.Attribute)):
        return False
    given = last.value.args[0] if last.value.args else None
    return last.value.func.attr == "append" and not isinstance(given, (ast.Tuple, ast.Dict))


PROGRAM = """import json
import random

labels = json.load(open("labels.json"))
classes = {classes}
numbers = {{name: place for place, name in enumerate(classes)}}{marker}
print([numbers[label] for label in labels])
"""
BAD = [
    program(PROGRAM.format(classes="set(labels)", marker="  # <- here")),
    program(PROGRAM.format(classes="list({label.lower() for label in labels})", marker="  # <- here")),
]
GOOD = [
    program(PROGRAM.format(classes="sorted(set(labels))", marker="")),
    program(PROGRAM.format(classes="list(dict.fromkeys(labels))", marker="")),
    program(PROGRAM.format(classes="list(set(torch.tensor(labels).numpy()))", marker="").replace("import random", "import torch")),
]
