"""NUM128."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

DRAWS = frozenset({"permutation", "permuted", "randperm", "resample", "choice", "choices", "integers", "randint"})
MEANT = re.compile(r"perm|shuffl|boot|resampl|null", re.I)


@rule("NUM128", "permutation-unused", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def permutation_unused(modules: dict[str, Module]) -> Iterator[Violation]:
    """A permuted or resampled array is made in each turn of a loop and never used.

    What it does:
        Looks at loops in which an array is permuted or drawn again (`permutation`, `randperm`, `choice`, …) and given a name that says so
        (`shuffled`, `perm`, `boot`), and in which results are collected. Speaks where nothing in the function ever reads that name.

    Why it matters:
        Every turn computes the statistic of the original data: the null distribution is one number, the interval has no width, and the
        p-value is 1 or meaningless (Good, Permutation, Parametric, and Bootstrap Tests of Hypotheses, 2005).

    Instead:
        Compute the statistic of what was drawn.
    """
    for module in modules.values():
        for node in module.of(ast.Assign):
            target, value = node.targets[0], node.value
            if not (isinstance(target, ast.Name) and isinstance(value, ast.Call) and last_name(value.func) in DRAWS):
                continue
            loop = _loop(module, node)
            home = enclosing_function(module, node)
            meant = MEANT.search(target.id) or (home is not None and MEANT.search(home.name))
            if loop is None or target.id.startswith("_") or not meant or not _collects(loop):
                continue
            if not any(isinstance(use.ctx, ast.Load) for use in module.named.get(target.id, ())) and "locals()" not in module.text:
                yield Violation(
                    module.location(node),
                    f"`{target.id}` is drawn in each turn and never used: the results are those of the data as it was",
                    "compute the result of what was drawn",
                )


def _loop(module: Module, node: ast.AST) -> ast.For | ast.While | None:
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.For, ast.While)):
            return parent
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return None
    return None


def _collects(loop: ast.For | ast.While) -> bool:
    """Whether a loop keeps a result of each turn: in a list, in an array, or by counting."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and last_name(node.func) in ("append", "add"):
            return True
        if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):
            return True
    return False


PROGRAM = """import numpy as np

rng = np.random.default_rng(0)
values, groups = rng.normal(size=60), rng.integers(2, size=60)


def gap(values, groups):
    return values[groups == 1].mean() - values[groups == 0].mean()


null = []
for _ in range(1000):
    {draw}
    {kept}
print(np.mean(np.abs(null) >= abs(gap(values, groups))))
"""
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(draw="shuffled = rng.permutation(groups)" + HERE, kept="null.append(gap(values, groups))")),
    program(PROGRAM.format(draw="boot = rng.integers(60, size=60)" + HERE, kept="null.append(values.mean())")),
]
GOOD = [
    program(PROGRAM.format(draw="shuffled = rng.permutation(groups)", kept="null.append(gap(values, shuffled))")),
    program(PROGRAM.format(draw="_ = rng.permutation(groups)", kept="null.append(gap(values, groups))")),
    program(PROGRAM.format(draw="groups = rng.permutation(groups)", kept="null.append(gap(values, groups))")),
    program(PROGRAM.format(draw="other = rng.permutation(groups)", kept="null.append(gap(values, groups))")),
]
