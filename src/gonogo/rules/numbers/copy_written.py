"""NUM111."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

ASKS = frozenset({"isna", "isnull", "notna", "isin", "between"})


@rule("NUM111", "copy-written", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def copy_written(modules: dict[str, Module]) -> Iterator[Violation]:
    """Values are written into the copy that a selection by condition gives, and are lost with it.

    What it does:
        Looks at assignments such as `table[table["age"] > 90]["age"] = 90`: rows are selected by a comparison of the table itself, and
        a column of the selection is written. `table.loc[rows, "age"] = 90` is right.

    Why it matters:
        A selection by condition is a copy: the table stays as it was, at most with a warning, so that outliers, labels or gaps that the
        code says are mended are still there (pandas, "Returning a view versus a copy"; "Copy-on-Write").

    Instead:
        Write `table.loc[table["age"] > 90, "age"] = 90`.
    """
    for module in modules.values():
        if not any(dotted.partition(".")[0] in ("pandas", "numpy", "geopandas", "cudf") for dotted in module.imports.values()):
            continue
        for node in module.of(ast.Assign, ast.AugAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Subscript) and _is_copy(target.value):
                    yield Violation(
                        module.location(node),
                        "this is written into a copy of the selected rows, and the table stays as it was",
                        "write `table.loc[rows, column] = …`",
                    )


def _is_copy(node: ast.expr) -> bool:
    """Whether an expression selects rows of a table by a comparison that the table takes part in."""
    if not isinstance(node, ast.Subscript):
        return False
    owner = node.value
    if isinstance(owner, ast.Attribute) and owner.attr == "loc":
        owner = owner.value
    return _compares(node.slice, ast.unparse(owner))


def _compares(node: ast.expr, owner: str) -> bool:
    if isinstance(node, ast.Compare):
        return any(ast.unparse(entry).startswith((f"{owner}[", f"{owner}.")) for entry in (node.left, *node.comparators))
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        return _compares(node.left, owner) or _compares(node.right, owner)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        return _compares(node.operand, owner)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKS:
        return ast.unparse(node.func.value).startswith((f"{owner}[", f"{owner}."))
    return False


PROGRAM = """import pandas as pd

table = pd.read_csv("people.csv")
{change}
print(table["age"].max())
"""
BAD = [
    program(PROGRAM.format(change='table[table["age"] > 90]["age"] = 90  # <- here')),
    program(PROGRAM.format(change='table[table.age.isna() | (table.age < 0)]["age"] = 40  # <- here')),
    program(PROGRAM.format(change='table.loc[table["age"] > 90]["age"] = 90  # <- here')),
]
GOOD = [
    program(PROGRAM.format(change='table.loc[table["age"] > 90, "age"] = 90')),
    program(PROGRAM.format(change='table["age"][table["age"] > 90] = 90')),
]
