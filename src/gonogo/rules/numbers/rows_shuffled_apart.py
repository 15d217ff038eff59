"""NUM126."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name, origin
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

LEARNING = frozenset({"fit", "TensorDataset", "train_test_split", "cross_val_score", "partial_fit", "fit_transform"})
# Labels are shuffled on purpose to see what chance gives.
MEANT = re.compile(r"permut|null|chance|random_label|importance|placebo|sanity", re.IGNORECASE)


@rule("NUM126", "rows-shuffled-apart", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def rows_shuffled_apart(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """The examples are shuffled in place and their labels are not.

    What it does:
        Looks at `shuffle(X)` of NumPy and `random`, which shuffles in place. Speaks where `X` and another name are given together to `fit`,
        `TensorDataset` or a split after that, both were bound before it, and the other is not shuffled, nor bound anew. Silent where the
        file speaks of permutation tests or the like, and where the generator is seeded again to shuffle both alike.

    Why it matters:
        Each example has the label of another. A model learns chance, which is easily taken for a hard problem.

    Instead:
        Draw one order and use it for both: `order = rng.permutation(len(X)); X, y = X[order], y[order]`.
    """
    for module in modules.values():
        if MEANT.search(module.text):
            continue
        scopes = symbols.scopes(module)
        shuffles = [call for call in module.of(ast.Call) if _is_shuffle(module, call)]
        shuffled = {call.args[0].id for call in shuffles if isinstance(call.args[0], ast.Name)}
        for call in shuffles:
            name = call.args[0]
            assert isinstance(name, ast.Name)
            used = _used(module, scopes, call, name, shuffled)
            if used is not None:
                yield Violation(
                    module.location(call),
                    f"`{name.id}` is shuffled, and `{used[1]}`, which belongs to its rows, is not",
                    "draw one order, and use it for both",
                    related=(Related(location=module.location(used[0]), label="they are used together here"),),
                )


def _is_shuffle(module: Module, call: ast.Call) -> bool:
    if len(call.args) != 1 or call.keywords or not isinstance(call.args[0], ast.Name) or not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr != "shuffle" or not isinstance(module.parents.get(call), ast.Expr):
        return False
    owner = call.func.value
    return origin(module, call.func) in ("numpy.random.shuffle", "random.shuffle") or (isinstance(owner, ast.Name) and "rng" in owner.id)


def _used(module: Module, scopes: Scopes, shuffle: ast.Call, name: ast.Name, shuffled: set[str]) -> tuple[ast.Call, str] | None:
    """Where the shuffled examples meet something that was not shuffled."""
    if any(isinstance(parent, (ast.For, ast.While)) for parent in ancestors(module, shuffle)):
        return None
    home = scopes.function(shuffle)
    for call in module.of(ast.Call):
        if last_name(call.func) not in LEARNING or len(call.args) < 2 or call.lineno <= shuffle.lineno or scopes.function(call) is not home:
            continue
        one, other = _root(call.args[-2]), _root(call.args[-1])
        if one is None or other is None or name.id not in (one.id, other.id) or one.id == other.id:
            continue
        second = other if one.id == name.id else one
        if second.id in shuffled or not (
            _is_bound_before(scopes, name, one, shuffle) and _is_bound_before(scopes, second, second, shuffle)
        ):
            continue
        return call, second.id
    return None


def _root(node: ast.expr) -> ast.Name | None:
    """The name that `X`, `X[:n]` or `X[:n, :]` is of."""
    if isinstance(node, ast.Subscript) and any(isinstance(entry, ast.Slice) for entry in ast.walk(node.slice)):
        node = node.value
    return node if isinstance(node, ast.Name) else None


def _is_bound_before(scopes: Scopes, name: ast.Name, use: ast.Name, shuffle: ast.Call) -> bool:
    found = scopes.lookup(name.id, use)
    return found is not None and all(getattr(bound, "lineno", 0) < shuffle.lineno for bound in found[1])


PROGRAM = """import random

import numpy as np
from sklearn.linear_model import Perceptron

rng = np.random.default_rng(0)
X, y = np.load("X.npy"), np.load("y.npy")
{shuffle}
n = int(0.8 * len(X))
model = Perceptron(random_state=0).fit(X[:n], y[:n])
print(model.score(X[n:], y[n:]))
"""
BAD = [
    program(PROGRAM.format(shuffle="rng.shuffle(X)  # <- here")),
    program(PROGRAM.format(shuffle="np.random.shuffle(X)  # <- here")),
    program(PROGRAM.format(shuffle="random.shuffle(y)  # <- here")),
]
GOOD = [
    program(PROGRAM.format(shuffle="order = rng.permutation(len(X))\nX, y = X[order], y[order]")),
    program(PROGRAM.format(shuffle="np.random.seed(0)\nnp.random.shuffle(X)\nnp.random.seed(0)\nnp.random.shuffle(y)")),
    program(PROGRAM.format(shuffle="order = np.arange(len(X))\nrng.shuffle(order)\nX, y = X[order], y[order]")),
    program(PROGRAM.format(shuffle="rng.shuffle(y)  # what chance gives")),
    program(PROGRAM.format(shuffle="rows = list(zip(X, y))\nrng.shuffle(rows)\nX, y = map(np.array, zip(*rows))")),
]
