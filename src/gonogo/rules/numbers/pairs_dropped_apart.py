"""NUM127."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

PAIRED = frozenset(
    {
        "pearsonr", "spearmanr", "kendalltau", "wilcoxon", "ttest_rel", "corrcoef", "mean_squared_error", "mean_absolute_error", "r2_score",
        "linregress", "cohen_kappa_score", "accuracy_score", "f1_score",
    }
)  # fmt: skip
CONVERSIONS = frozenset({"to_numpy", "tolist", "astype", "reset_index", "values", "array"})


@rule("NUM127", "pairs-dropped-apart", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def pairs_dropped_apart(modules: dict[str, Module]) -> Iterator[Violation]:
    """Missing values are dropped from two columns apart, and what is left is taken for pairs.

    What it does:
        Looks at two columns of one table from each of which `dropna()` takes its own missing values, and which go into a correlation, a
        paired test or a metric for which labels count for nothing. An error where both are
        cut to one length first, else a warning. Silent where the table lost its incomplete rows before.

    Why it matters:
        After the first row in which one value is missing, each value is paired with one of another row: the correlation is that of noise
        (pandas, "Working with missing data").

    Instead:
        Drop the rows in which either is missing: `both = table[[a, b]].dropna()`.
    """
    for module in modules.values():
        if ".dropna()" not in module.text:
            continue
        dropped = [found for node in module.of(ast.Assign) if (found := _dropped(node)) is not None]
        for call in module.of(ast.Call):
            if last_name(call.func) not in PAIRED or len(call.args) < 2:
                continue
            one, other = (_source(module, entry, dropped, call) for entry in call.args[:2])
            if one is None or other is None or one[1] != other[1] or one[2] == other[2] or _was_complete(module, one[1], call):
                continue
            is_cut = all(isinstance(entry, ast.Subscript) for entry in call.args[:2])
            yield Violation(
                module.location(one[0]),
                "missing values of two columns are dropped apart: what is left of them are no pairs",
                "drop the rows in which either is missing",
                severity=None if is_cut else Severity.WARNING,
                related=(Related(location=module.location(call), label="taken for pairs here"),),
            )


_Dropped = tuple[ast.AST, str, str, str]  # where, the table, the column, the name


def _dropped(node: ast.Assign | ast.expr) -> _Dropped | None:
    """A name that holds the values of a column without the missing ones, and without their labels."""
    target, value = (node.targets[0], node.value) if isinstance(node, ast.Assign) else (ast.Name("", ast.Store()), node)
    while isinstance(value, (ast.Call, ast.Attribute)):
        if isinstance(value, ast.Attribute) and value.attr == "values":
            value = value.value
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in CONVERSIONS:
            value = value.func.value
        else:
            break
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "dropna" and not value.args):
        return None
    column = value.func.value
    if value.keywords or not isinstance(target, ast.Name):
        return None
    if isinstance(column, ast.Subscript) and isinstance(column.value, ast.Name) and not isinstance(column.slice, ast.List):
        return node, column.value.id, ast.unparse(column.slice), target.id
    return None


def _source(module: Module, node: ast.expr, dropped: list[_Dropped], call: ast.Call) -> _Dropped | None:
    """What an argument is, cut or not, if the only assignment to its name in the function is such a one."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        node = node.value
    if not isinstance(node, ast.Name):
        return _dropped(node)
    home = enclosing_function(module, call)
    stored = [use for use in module.named.get(node.id, ()) if isinstance(use.ctx, ast.Store) and enclosing_function(module, use) is home]
    found = [entry for entry in dropped if entry[3] == node.id and enclosing_function(module, entry[0]) is home]
    return found[0] if len(found) == 1 and len(stored) == 1 else None


def _was_complete(module: Module, table: str, call: ast.Call) -> bool:
    """Whether rows with gaps were dropped from, or filled in, the table itself anywhere."""
    for other in module.of(ast.Call):
        if isinstance(other.func, ast.Attribute) and other.func.attr in ("dropna", "fillna", "interpolate"):
            owner = other.func.value
            if isinstance(owner, ast.Name) or (isinstance(owner, ast.Subscript) and isinstance(owner.slice, ast.List)):
                return True
    return False


PROGRAM = """import pandas as pd
from scipy.stats import pearsonr

table = pd.read_csv("table.csv")
{code}
print(r)
"""
HERE = "  # <- here"
CUT = "n = min(len(a), len(b))\nr = pearsonr(a[:n], b[:n])"
BAD = [
    program(PROGRAM.format(code=f'r = pearsonr(table["bleu"].dropna(), table["human"].dropna()){HERE}')),
    program(PROGRAM.format(code=f'a = table["bleu"].dropna().to_numpy(){HERE}\nb = table["human"].dropna().to_numpy()\n{CUT}')),
    program(PROGRAM.format(code=f'a = table["bleu"].dropna().values{HERE}\nb = table["human"].dropna().values\nr = pearsonr(a, b)')),
]
GOOD = [
    program(PROGRAM.format(code='both = table[["bleu", "human"]].dropna()\nr = pearsonr(both["bleu"], both["human"])')),
    program(PROGRAM.format(code=f'table = table.dropna()\na = table["bleu"].dropna().values\nb = table["human"].dropna().values\n{CUT}')),
    program(
        PROGRAM.format(code='a = table["bleu"].dropna()\nb = table["human"].dropna()\na, b = a.align(b, join="inner")\nr = pearsonr(a, b)')
    ),
    program(PROGRAM.format(code='a = table["bleu"].dropna().values\nb = table["human"].dropna().values\nr = a.mean() - b.mean()')),
]
