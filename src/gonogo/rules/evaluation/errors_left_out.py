"""EVA135."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, last_name, last_names
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

SCORE = re.compile(
    r"(?:^|_)(?:correct|right|hits?|acc|accs|accuracy|accuracies|scores?|match(?:es)?|em|f1|success(?:es)?|passed|solved|wins)(?:_|$|s$)",
    re.I,
)
BROAD = frozenset(
    {"Exception", "BaseException", "ValueError", "RuntimeError", "KeyError", "IndexError", "AttributeError", "JSONDecodeError", "TypeError"}
)
MEANS = frozenset({"mean", "average", "fmean", "nanmean"})
# Words of a program that says how many examples failed.
SAYS = re.compile(r"fail|skipp|n_err|num_err|errors? *(?:\+=|\.append)|invalid|coverage|dropped|excluded|n_valid|num_valid|evaluated", re.I)


@rule("EVA135", "errors-left-out", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def errors_left_out(modules: dict[str, Module]) -> Iterator[Violation]:
    """Examples at which an error is raised are left out of the accuracy.

    What it does:
        Looks at loops that score an example under `try` and, where anything goes wrong, pass on to the next one without a trace but a
        printed line. Speaks where the mean of the scores, or the right ones divided by a count kept under the same `try`, is taken later.
        Silent where the file says how many failed, or how many were scored.

    Why it matters:
        Answers that break the parser, and inputs that break the model, are the hard ones: the score is that of the easy rest, and a
        method that fails more often scores higher (Biderman et al., Lessons from the trenches on reproducible evaluation, 2024).

    Instead:
        Count such an example as wrong, or report how many there are.
    """
    for module in modules.values():
        if SAYS.search(module.text):
            continue
        for loop in module.of(ast.For):
            for attempt in (node for node in ast.walk(loop) if isinstance(node, ast.Try)):
                handler = next((entry for entry in attempt.handlers if _swallows(entry)), None)
                if handler is None or attempt.orelse or not _is_own(module, attempt, loop):
                    continue
                scored = _mean_of(module, loop, _kept(attempt)) or _quotient(module, loop, attempt)
                if scored is not None:
                    yield Violation(
                        module.location(handler),
                        "examples at which an error is raised are left out of the score",
                        "count them as wrong, or report how many there are",
                        related=(Related(location=module.location(scored), label="the score"),),
                    )


def _is_own(module: Module, attempt: ast.AST, loop: ast.For) -> bool:
    """Whether the innermost loop around a `try` is this one."""
    parent = module.parents.get(attempt)
    while parent is not None and not isinstance(parent, (ast.For, ast.While, ast.FunctionDef, ast.AsyncFunctionDef)):
        parent = module.parents.get(parent)
    return parent is loop


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches what an example may raise and does nothing but say so and go on."""
    caught = last_names(handler.type) if handler.type is not None else {"Exception"}
    if not caught & BROAD:
        return False
    for statement in handler.body:
        if isinstance(statement, (ast.Pass, ast.Continue)):
            continue
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not (
            isinstance(call, ast.Call)
            and last_name(call.func) in ("print", "warning", "error", "exception", "info", "debug", "write", "print_exc", "warn")
        ):
            return False
    return True


def _kept(attempt: ast.Try) -> set[str]:
    """The lists that get the score of an example under the `try`."""
    found = set()
    for statement in attempt.body:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and last_name(call.func) == "append" and len(call.args) == 1 and isinstance(call.func, ast.Attribute):
            given = call.args[0]
            inner = (
                given.args[0] if isinstance(given, ast.Call) and last_name(given.func) in ("int", "float", "bool") and given.args else given
            )
            name = last_name(call.func.value)
            if name and (isinstance(inner, (ast.Compare, ast.BoolOp)) or SCORE.search(name)) and isinstance(call.func.value, ast.Name):
                found.add(name)
    return found


def _mean_of(module: Module, loop: ast.For, lists: set[str]) -> ast.AST | None:
    """Where the mean of one of these lists is taken after the loop; None where its length is told, too."""
    home = enclosing_function(module, loop)
    for name in sorted(lists):
        uses = [
            use for use in module.named.get(name, ()) if enclosing_function(module, use) is home and use.lineno > (loop.end_lineno or 0)
        ]
        means = []
        for use in uses:
            parent = module.parents.get(use)
            above = module.parents.get(parent) if parent is not None else None
            if isinstance(parent, ast.Call) and last_name(parent.func) in MEANS:
                means.append(parent)
            elif (
                isinstance(parent, ast.Call)
                and last_name(parent.func) == "sum"
                and isinstance(above, ast.BinOp)
                and isinstance(above.op, ast.Div)
            ):
                if f"len({name})" in ast.unparse(above.right):
                    means.append(above)  # type: ignore[arg-type]
            elif (
                isinstance(parent, ast.Call)
                and last_name(parent.func) == "len"
                and not isinstance(above, (ast.BinOp, ast.IfExp, ast.If, ast.Call))
            ) or (
                isinstance(parent, ast.Call)
                and last_name(parent.func) == "len"
                and isinstance(above, ast.Call)
                and last_name(above.func) != "max"
            ):
                return None
            elif isinstance(parent, (ast.Return, ast.FormattedValue)):
                return None  # the caller may see how many there are
        if means:
            return means[0]
    return None


def _quotient(module: Module, loop: ast.For, attempt: ast.Try) -> ast.BinOp | None:
    """Right ones by a count, both kept under the `try` after what may raise."""
    counted: list[str] = []
    right: set[str] = set()
    raised = False
    for statement in attempt.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
                is_one = isinstance(node.value, ast.Constant) and node.value.value == 1
                if is_one and node is statement and raised:
                    counted.append(node.target.id)
                elif not is_one or node is not statement:
                    right.add(node.target.id)
        raised = raised or any(isinstance(node, ast.Call) for node in ast.walk(statement))
    home = enclosing_function(module, loop)
    for node in module.of(ast.BinOp):
        if isinstance(node.op, ast.Div) and node.lineno > (loop.end_lineno or 0) and enclosing_function(module, node) is home:
            over = (
                node.right.args[0]
                if isinstance(node.right, ast.Call) and last_name(node.right.func) == "max" and node.right.args
                else node.right
            )
            shown = (
                [
                    use
                    for use in module.named.get(over.id, ())
                    if isinstance(over, ast.Name) and use is not over and use.lineno > (loop.end_lineno or 0)
                ]
                if isinstance(over, ast.Name)
                else []
            )
            if last_name(node.left) in right and last_name(over) in counted and SCORE.search(last_name(node.left)) and not shown:
                return node
    return None


PROGRAM = """import json
import re

import numpy as np


def read(text):
    return float(re.search(r"answer: ([0-9.]+)", text).group(1))


rows = json.load(open("rows.json"))
scores, correct, total = [], 0, 0
for row in rows:
    try:
        {body}
    except {caught}:{marker}
        {handled}
print({shown})
"""
HERE = "  # <- here"
KEPT = 'scores.append(read(row["text"]) == row["wanted"])'


def _program(
    body: str = KEPT, caught: str = "Exception", handled: str = "continue", shown: str = "np.mean(scores)", marker: str = ""
) -> str:
    return PROGRAM.format(body=body, caught=caught, handled=handled, shown=shown, marker=marker)


COUNTED = 'guess = read(row["text"])\n        correct += guess == row["wanted"]\n        total += 1'
BAD = [
    program(_program(marker=HERE)),
    program(
        _program(caught="(ValueError, AttributeError) as error", handled="print(error)", shown="sum(scores) / len(scores)", marker=HERE)
    ),
    program(_program(COUNTED, handled="pass", shown="correct / total", marker=HERE)),
]
GOOD = [
    program(_program(handled="scores.append(False)")),
    program(_program(shown="np.mean(scores), len(scores), len(rows)")),
    program(_program(shown="sum(scores) / len(rows)")),
    program(_program("values = [read(row['text'])]")),
    program(_program(caught="FileNotFoundError")),
    program(_program(COUNTED, handled="pass", shown="correct / len(rows)")),
    program(_program(handled="failed = row")),
]
