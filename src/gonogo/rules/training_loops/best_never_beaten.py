"""TRN192."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name
from gonogo.analysis.training.programs import is_unit_test
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.training_loops.best_never_updated import BEST

# What is never below zero.
_SHARES = re.compile(r"(?:^|_)(?:acc(?:uracy)?\d*|f1|auc|auroc|iou|miou|dice|precision|recall|top1|top5)(?:_|$)", re.IGNORECASE)
_ERRORS = re.compile(r"(?:^|_)(?:mse|mae|rmse|wer|cer|ppl|perplexity|err(?:or)?)(?:_|$)", re.IGNORECASE)


@rule("TRN192", "best-never-beaten", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def best_never_beaten(modules: dict[str, Module]) -> Iterator[Violation]:
    """No score can be better than the best score that a loop begins with.

    What it does:
        Looks at names like `best_score` that are set to a number before a loop and, within it, only where a score is better. Speaks
        where nothing is: above infinity, below minus infinity; and, by the score's name, an accuracy or an error below zero.

    Why it matters:
        No checkpoint is ever kept, or an old file stands for the best one, and the comparison says nothing.

    Instead:
        Begin with the other end: `-inf` for what should rise, `inf` for what should fall; or turn the comparison round.
    """
    for module in modules.values():
        if is_unit_test(module):
            continue
        for branch in module.of(ast.If):
            found = _found(module, branch)
            if found is not None:
                begins, name = found
                yield Violation(
                    module.location(branch.test),
                    f"nothing is better than `{name}`, which begins with {ast.unparse(begins.value)}: this is never true",
                    "begin with the other end, or turn the comparison round",
                    related=(Related(location=module.location(begins), label="it is set here"),),
                )


def _found(module: Module, branch: ast.If) -> tuple[ast.Assign, str] | None:
    """The assignment that a best score begins with, and its name, where no score can be better."""
    test = branch.test
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Lt, ast.Gt))):
        return None
    left, right = test.left, test.comparators[0]
    is_right = isinstance(right, ast.Name) and BEST.search(right.id) is not None
    best, score = (right, left) if is_right else (left, right)
    if not isinstance(best, ast.Name) or not BEST.search(best.id) or not isinstance(score, (ast.Name, ast.Attribute)):
        return None
    must_rise = isinstance(test.ops[0], ast.Gt) is is_right
    begins = _begins(module, branch, best)
    return (begins, best.id) if begins is not None and _is_beyond(_number(begins.value), last_name(score), must_rise) else None


def _is_beyond(value: float | None, score: str, must_rise: bool) -> bool:
    if value is None:
        return False
    if must_rise:
        return value == float("inf")
    return value == float("-inf") or (value == 0 and (_SHARES.search(score) or _ERRORS.search(score)) is not None)


def _begins(module: Module, branch: ast.If, name: ast.Name) -> ast.Assign | None:
    """What sets a name before the loop around a branch.

    None where anything but the branch itself sets it, too."""
    function = enclosing_function(module, branch)
    loop = next((each for each in ancestors(module, branch) if isinstance(each, (ast.For, ast.While))), None)
    stores = [use for use in module.named.get(name.id, ()) if isinstance(use.ctx, ast.Store)]
    outside = [use for use in stores if not any(parent in branch.body for parent in ancestors(module, use))]
    parent = module.parents.get(outside[0]) if len(outside) == 1 else None
    if (
        loop is None
        or not isinstance(parent, ast.Assign)
        or parent.targets != outside
        or enclosing_function(module, parent) is not function
    ):
        return None
    is_before = parent.lineno < loop.lineno and not any(each is loop for each in ancestors(module, parent))
    return parent if is_before and not module.of(ast.Global, ast.Nonlocal) else None


def _number(node: ast.expr) -> float | None:
    """The number that an expression is written as, infinity among them."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Call) and last_name(node.func) == "float" and len(node.args) == 1 and isinstance(node.args[0], ast.Constant):
        text = str(node.args[0].value).strip().lower()
        return {"inf": float("inf"), "+inf": float("inf"), "infinity": float("inf"), "-inf": float("-inf")}.get(text)
    if isinstance(node, ast.Attribute) and node.attr in ("inf", "infty", "Inf"):
        return float("inf")
    is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return float(node.value) if isinstance(node, ast.Constant) and is_number else None  # type: ignore[arg-type]


_PROGRAM = """import torch
from torch import nn

network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
best_score = {begins}
for epoch in range(9):
    for inputs, labels in torch.load("batches.pt"):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
    val_{score} = float(torch.load("scores.pt")[epoch])
    if val_{score} {sign} best_score:{marker}
        best_score = val_{score}
        torch.save(network.state_dict(), "best.pt")
"""


def _tree(begins: str, score: str, sign: str, marker: str = "") -> Tree:
    return program(_PROGRAM.format(begins=begins, score=score, sign=sign, marker=marker))


_HERE = "  # <- here"
BAD = [
    _tree("float('inf')", "score", ">", _HERE),
    _tree("-float('inf')", "loss", "<", _HERE),
    _tree("0.0", "acc", "<", _HERE),
    _tree("0", "mae", "<", _HERE),
]
GOOD = [
    _tree("float('inf')", "loss", "<"),
    _tree("-float('inf')", "score", ">"),
    _tree("0.0", "acc", ">"),
    _tree("0.0", "loss", "<"),  # an evidence bound may be negative
    _tree("1.0", "error", "<"),
    _tree("1.0", "accuracy", ">"),  # it may be in per cent
    _tree("float('inf') if torch.load('down.pt') else 0", "score", ">"),
]
