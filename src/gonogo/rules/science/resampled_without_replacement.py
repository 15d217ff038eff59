"""SCI146."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

BOOT = re.compile(r"boot", re.I)


@rule("SCI146", "resampled-without-replacement", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def resampled_without_replacement(modules: dict[str, Module]) -> Iterator[Violation]:
    """Bootstrap samples are drawn without replacement, so that each is the whole sample in another order.

    What it does:
        Looks at draws of as many rows as there are (`choice(n, size=n, replace=False)`, `random.sample(rows, len(rows))`,
        `resample(rows, replace=False)`) in a loop of a function, or over a number, that is called a bootstrap. Speaks where nothing tells
        the drawn rows from all of them. Permutations and subsamples are left alone.

    Why it matters:
        Every resample holds the same rows: the statistic is the same each time, and the interval has no width
        (Efron and Tibshirani, An introduction to the bootstrap, 1993).

    Instead:
        Draw with replacement: `rng.choice(n, size=n)`, `rng.integers(n, size=n)`.
    """
    for module in modules.values():
        if not BOOT.search(module.text):
            continue
        for call in module.of(ast.Call):
            if _draws_all(module, call) and _is_bootstrap(module, call):
                yield Violation(
                    module.location(call),
                    "each bootstrap sample holds every row once: the statistic is the same each time",
                    "draw with replacement",
                )


def _draws_all(module: Module, call: ast.Call) -> bool:
    name = last_name(call.func)
    dotted = origin(module, call.func)
    if dotted == "random.sample" and call.args:
        size = argument(call, 1, "k")
        return size is not None and _counts(size, call.args[0])
    if name == "permutation" and isinstance(call.func, ast.Attribute) and len(call.args) == 1:
        return True
    if name == "sample" and isinstance(call.func, ast.Attribute) and not call.args:
        share, number = argument(call, None, "frac"), argument(call, None, "n")
        is_all = (isinstance(share, ast.Constant) and share.value == 1) or (number is not None and _counts(number, call.func.value))
        again = argument(call, None, "replace")
        return is_all and (again is None or (isinstance(again, ast.Constant) and again.value is False))
    without = argument(call, 2 if name == "choice" else None, "replace")
    if not (isinstance(without, ast.Constant) and without.value is False):
        return False
    if name == "choice" and isinstance(call.func, ast.Attribute) and call.args:
        size = argument(call, 1, "size")
        return (
            size is not None
            and (_counts(size, call.args[0]) or ast.unparse(size) == ast.unparse(call.args[0]))
            and argument(call, 3, "p") is None
        )
    if dotted in ("sklearn.utils.resample", "sklearn.utils.resample.resample"):
        return argument(call, None, "n_samples") is None
    return False


def _counts(size: ast.expr, rows: ast.expr) -> bool:
    """Whether one expression is the number of the rows that another one holds: `len(x)`, `x.size`.

    `x.shape[0]`.
    """
    name = ast.unparse(rows)
    inner = rows
    if isinstance(rows, ast.Call) and last_name(rows.func) in ("arange", "range") and len(rows.args) == 1:
        inner = rows.args[0]
        if ast.unparse(size) == ast.unparse(inner):
            return True
    return ast.unparse(size) in (f"len({name})", f"{name}.size", f"{name}.shape[0]")


def _is_bootstrap(module: Module, call: ast.Call) -> bool:
    """Whether a loop around a draw is a bootstrap by its own words: of the function.

    Or of the number of turns.
    """
    looped = False
    for parent in ancestors(module, call):
        if isinstance(parent, (ast.For, ast.ListComp, ast.GeneratorExp)):
            looped = True
            over = parent.iter if isinstance(parent, ast.For) else parent.generators[0].iter
            if BOOT.search(ast.unparse(over)):
                return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return BOOT.search(parent.name) is not None and looped and not re.search("perm|shuffl|null", parent.name)
    return False


PROGRAM = """import random

import numpy as np
from sklearn.utils import resample

rng = np.random.default_rng(0)
rows = rng.normal(size=50)


def {name}(rows, n_boot=1000):
    n = len(rows)
    values = []
    for _ in range(n_boot):
        drawn = {drawn}
        values.append(np.mean({used}))
    return np.percentile(values, [2.5, 97.5])


print({name}(rows), random.random(), resample(rows)[:1])
"""
HERE = "  # <- here"


def _program(drawn: str, used: str = "rows[drawn]", name: str = "bootstrap_interval") -> str:
    return PROGRAM.format(drawn=drawn, used=used, name=name)


BAD = [
    program(_program(f"rng.choice(n, size=n, replace=False){HERE}")),
    program(_program(f"np.random.choice(rows, len(rows), False){HERE}", "drawn")),
    program(_program(f"resample(rows, replace=False){HERE}", "drawn")),
    program(_program(f"rng.permutation(rows){HERE}", "drawn")),
    program(_program(f"random.sample(rows, k=len(rows)){HERE}", "drawn")),
    program(_program(f"random.sample(list(range(n)), n){HERE}").replace("list(range(n)), n", "range(n), n")),
]
GOOD = [
    program(_program("rng.choice(n, size=n)")),
    program(_program("rng.choice(n, size=n // 2, replace=False)", name="subsample_interval")),
    program(_program("resample(rows)", "drawn")),
    program(_program("rng.choice(n, size=n, replace=False)", name="permutation_interval").replace("n_boot", "n_perm")),
]
