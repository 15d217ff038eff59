"""NUM111."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, origin
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

TABLES = frozenset(
    {"pandas.read_csv", "pandas.read_parquet", "pandas.read_excel", "pandas.read_json", "pandas.DataFrame", "pandas.read_table",
     "pandas.read_feather"}
)  # fmt: skip
ASKS = frozenset({"isna", "isnull", "notna", "isin", "between"})


@rule("NUM111", "copy-written", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def copy_written(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Values are written into the copy that a selection by condition gives, and are lost with it.

    What it does:
        Looks at assignments such as `table[table["age"] > 90]["age"] = 90`: rows are selected by a comparison of the table itself, and
        a column of the selection is written. `table.loc[rows, "age"] = 90` is right. Also looks at `inplace=True` on such a selection, and,
        as warnings, on a column of a table that pandas read (`table["age"].fillna(0, inplace=True)` does nothing from pandas 3 on), and at
        rows of `iterrows()` that are written and used for nothing else.

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
        scopes = symbols.scopes(module)
        yield from (found for call in module.of(ast.Call) if (found := _in_place(module, scopes, call)) is not None)
        yield from (found for loop in module.of(ast.For) if (found := _row_written(module, loop)) is not None)


def _in_place(module: Module, scopes: Scopes, call: ast.Call) -> Violation | None:
    """`table[rows].drop(…, inplace=True)`, `table["age"].fillna(0, inplace=True)`."""
    given = argument(call, None, "inplace")
    if not (isinstance(given, ast.Constant) and given.value is True and isinstance(call.func, ast.Attribute)):
        return None
    owner = call.func.value
    if _is_copy(owner):
        return Violation(
            module.location(call),
            "a copy of the selected rows is changed in place, and the table stays as it was",
            "bind the result to a name, or write `table.loc[rows, column] = …`",
        )
    if isinstance(owner, ast.Subscript) and isinstance(owner.value, ast.Name) and isinstance(owner.slice, ast.Constant):
        found = scopes.lookup(owner.value.id, owner.value)
        made = module.parents.get(found[1][0]) if found is not None and len(found[1]) == 1 else None
        value = made.value if isinstance(made, ast.Assign) and made.targets[0] is found[1][0] else None  # type: ignore[index]
        if isinstance(value, ast.Call) and origin(module, value.func) in TABLES:
            return Violation(
                module.location(call),
                "a column that is taken out of the table is changed in place: from pandas 3 on the table stays as it was",
                "write the column back: `table[column] = table[column].…`",
                severity=Severity.WARNING,
            )
    return None


def _row_written(module: Module, loop: ast.For) -> Violation | None:
    """`for _, row in table.iterrows(): row["a"] = …`, where the row is not used after that."""
    over, target = loop.iter, loop.target
    if not (isinstance(over, ast.Call) and isinstance(over.func, ast.Attribute) and over.func.attr == "iterrows"):
        return None
    row = target.elts[1] if isinstance(target, ast.Tuple) and len(target.elts) == 2 else None
    if not isinstance(row, ast.Name):
        return None
    written: list[ast.AST] = []
    for use in (node for statement in loop.body for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id == row.id):
        around = module.parents.get(use)
        if not (isinstance(around, ast.Subscript) and around.value is use and isinstance(around.slice, ast.Constant)):
            return None  # the row goes on as a whole
        if isinstance(around.ctx, ast.Store):
            written.append(around)
    statements = [module.parents.get(entry) for entry in written]
    if not written or not all(isinstance(entry, (ast.Assign, ast.AugAssign)) and entry in loop.body for entry in statements):
        return None
    keys = {ast.unparse(entry.slice) for entry in written if isinstance(entry, ast.Subscript)}
    last = max(entry.lineno for entry in statements if entry is not None)  # type: ignore[attr-defined]
    for statement in loop.body:
        for node in ast.walk(statement):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.ctx, ast.Load)
                and node.lineno > last
                and ast.unparse(node.slice) in keys
            ):
                return None
    return Violation(
        module.location(written[0]),
        "this is written into a copy of the row that `iterrows` gives, and the table stays as it was",
        "write whole columns, or `table.loc[index, column] = …`",
        severity=Severity.WARNING,
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
    program(PROGRAM.format(change='table[table["age"] > 90].drop(columns=["age"], inplace=True)  # <- here')),
    program(PROGRAM.format(change='table["age"].fillna(40, inplace=True)  # <- here')),
    program(PROGRAM.format(change='for _, row in table.iterrows():\n    row["age"] = row["age"] / 10  # <- here')),
]
GOOD = [
    program(PROGRAM.format(change='table.loc[table["age"] > 90, "age"] = 90')),
    program(PROGRAM.format(change='table["age"][table["age"] > 90] = 90')),
    program(PROGRAM.format(change='table["age"] = table["age"].fillna(40)\ntable.drop(columns=["size"], inplace=True)')),
    program(PROGRAM.format(change='parts = {"old": table}\nparts["old"].fillna(40, inplace=True)')),
    program(PROGRAM.format(change='rows = []\nfor _, row in table.iterrows():\n    row["age"] = row["age"] / 10\n    rows.append(row)')),
    program(PROGRAM.format(change='for _, row in table.iterrows():\n    row["age"] = row["age"] / 10\n    print(row["age"])')),
    program(PROGRAM.format(change='for index, row in table.iterrows():\n    table.loc[index, "age"] = row["age"] / 10')),
]
