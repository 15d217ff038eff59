"""TRN168."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

GROW = frozenset({"numpy.append", "numpy.concatenate", "numpy.vstack", "numpy.hstack", "numpy.row_stack", "pandas.concat"})
FEW = frozenset({"epoch", "epochs", "seed", "fold", "split", "run", "layer", "model", "method"})


@rule("TRN168", "grown-by-copying", criterion=None, severity=Severity.INFO, stage=Stage.CHECK, scope=Scope.PROGRAM)
def grown_by_copying(modules: dict[str, Module]) -> Iterator[Violation]:
    """A table or array grows by a row in each turn of a loop, and is copied as a whole each time.

    What it does:
        Looks at `table = pd.concat([table, row])`, `array = np.append(array, x)` and the like in loops. Speaks where the loop does
        nothing else with what grows. Silent about loops over epochs, folds and what is written down, and where the growing thing is used
        in each turn.

    Why it matters:
        The n-th turn copies n rows: ten thousand rows cost fifty million copies, and an hour where a list takes a second (pandas,
        `concat`; NumPy, `numpy.append`: "a copy is made").

    Instead:
        Collect the rows in a list, and join them once after the loop.
    """
    for module in modules.values():
        for node in module.of(ast.Assign):
            target, value = node.targets[0], node.value
            if not (isinstance(target, ast.Name) and isinstance(value, ast.Call) and origin(module, value.func) in GROW and value.args):
                continue
            first = value.args[0]
            entries = first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first] if last_name(value.func) == "append" else []
            loop = _loop(module, node)
            if loop is None or not any(isinstance(entry, ast.Name) and entry.id == target.id for entry in entries):
                continue
            uses = [part for part in ast.walk(loop) if isinstance(part, ast.Name) and part.id == target.id]
            if len(uses) == 2 and not _is_over_few(loop):
                yield Violation(
                    module.location(node),
                    f"`{target.id}` is copied as a whole in each turn of the loop",
                    "collect the rows in a list, and join them once after the loop",
                )


def _loop(module: Module, node: ast.Assign) -> ast.For | None:
    parent = module.parents.get(node)
    while isinstance(parent, (ast.If, ast.With, ast.Try)):
        parent = module.parents.get(parent)
    return parent if isinstance(parent, ast.For) else None


def _is_over_few(loop: ast.For) -> bool:
    """Whether a loop has few turns: what is written down, epochs, folds."""
    names = {last_name(part).lower() for part in ast.walk(loop.target) if isinstance(part, ast.Name)}
    over = {
        part for name in ast.walk(loop.iter) if isinstance(name, (ast.Name, ast.Attribute)) for part in last_name(name).lower().split("_")
    }
    is_short = isinstance(loop.iter, ast.Call) and last_name(loop.iter.func) == "range" and isinstance(loop.iter.args[-1], ast.Constant)
    return isinstance(loop.iter, (ast.List, ast.Tuple)) or is_short or bool((names | over | {name.rstrip("s") for name in over}) & FEW)


PROGRAM = """import glob

import numpy as np
import pandas as pd

table, values = pd.DataFrame(), np.array([])
for path in {over}:
    {code}
print(len(table), len(values))
"""
HERE = "  # <- here"
PATHS = 'sorted(glob.glob("*.csv"))'
BAD = [
    program(PROGRAM.format(over=PATHS, code=f"table = pd.concat([table, pd.read_csv(path)]){HERE}")),
    program(PROGRAM.format(over=PATHS, code=f"values = np.append(values, np.loadtxt(path).mean()){HERE}")),
]
GOOD = [
    program(PROGRAM.format(over='["a.csv", "b.csv"]', code="table = pd.concat([table, pd.read_csv(path)])")),
    program(PROGRAM.format(over=PATHS, code="values = np.append(values, np.loadtxt(path).mean())\n    print(values.mean())")),
    program(PROGRAM.format(over=PATHS, code="both = pd.concat([table, pd.read_csv(path)])\n    print(both)")),
    program(PROGRAM.format(over="range(5)", code='values = np.append(values, np.loadtxt(f"{path}.txt"))')),
]
