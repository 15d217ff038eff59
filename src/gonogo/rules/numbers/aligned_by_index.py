"""NUM124."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, in_one_block, origin
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

# Methods that give the rows of a table in another order or with some left out, each with its old label.
KEEPING = frozenset({"dropna", "query", "sample", "sort_values", "drop_duplicates"})
# What is an array, whose rows have no labels.
ARRAYS = frozenset({"to_numpy", "tolist", "numpy"})
ANSWERS = frozenset({"predict", "predict_proba", "decision_function", "fit_predict"})
TRANSFORMED = frozenset({"transform", "fit_transform"})
LIBRARIES = ("sklearn.", "xgboost.", "lightgbm.", "catboost.")
# What makes transformers of scikit-learn give tables, with their labels.
TABLES_OUT = ("set_output", "transform_output", "FunctionTransformer")
READERS = re.compile(r"^pandas\.(?:read_(?:csv|parquet|json|feather|table|pickle|sql\w*)|DataFrame|concat|merge)$")
TABLE_NAME = re.compile(r"^(?:df|table|frame|dataframe|\w+_df|df_\w+)$", re.IGNORECASE)


@rule("NUM124", "aligned-by-index", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def aligned_by_index(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Rows are put beside others by position, and pandas puts them by label.

    What it does:
        Speaks where a column is sorted or shuffled and written back, `table["a"] = table["a"].sort_values()`, which changes nothing; and
        where an array of a table's rows becomes a new `pd.Series` or `pd.DataFrame` without `index=` and is written into, or put beside
        (`pd.concat(axis=1)`) that table, after its rows were selected, split or sorted, so that they have other labels. Arrays are lists,
        `.to_numpy()`, and what models of scikit-learn and the like answer; others may give labels. Silent about dictionaries of tables,
        and about what was computed for all rows before some were chosen.

    Why it matters:
        Each value lands in the row with its label: predictions beside the wrong answers, and gaps where the labels differ. Nothing raises
        (pandas, "Intro to data structures": data alignment is intrinsic).

    Instead:
        Write the array itself, `table["guess"] = model.predict(…)`, or give it `index=table.index`; sort the table, not the column.
    """
    for module in modules.values():
        if not any(dotted.partition(".")[0] == "pandas" for dotted in module.imports.values()):
            continue
        scopes = symbols.scopes(module)
        for node in module.of(ast.Assign):
            target = node.targets[0]
            if len(node.targets) == 1 and isinstance(target, ast.Subscript):
                yield from _written(module, scopes, node, target)
        for call in module.of(ast.Call):
            yield from _beside(module, scopes, call)


def _written(module: Module, scopes: Scopes, node: ast.Assign, target: ast.Subscript) -> Iterator[Violation]:
    value = node.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and _reorders(value):
        is_same = ast.unparse(value.func.value) == ast.unparse(target) and isinstance(target.slice, ast.Constant)
        is_table = isinstance(target.value, ast.Name) and _is_table(module, scopes, target.value)
        if is_same and (is_table or _is_read(module, target.value)):
            yield Violation(
                module.location(node),
                "the column is written back by its labels: its order stays as it was",
                "sort or shuffle the table, or write the array: `.to_numpy()`",
            )
        return
    table = target.value.value if isinstance(target.value, ast.Attribute) and target.value.attr == "loc" else target.value
    if isinstance(table, ast.Name) and _is_unlabelled(module, scopes, value, "pandas.Series"):
        moved = _relabelled(module, scopes, table)
        if moved is not None and _is_of(module, scopes, value, moved, 4):
            yield _wrong_rows(module, node, table.id, moved[0])


def _beside(module: Module, scopes: Scopes, call: ast.Call) -> Iterator[Violation]:
    axis = argument(call, 1, "axis")
    given = argument(call, 0, "objs")
    if origin(module, call.func) != "pandas.concat" or not isinstance(given, (ast.List, ast.Tuple)):
        return
    if not (isinstance(axis, ast.Constant) and axis.value in (1, "columns")) or len(given.elts) != 2:
        return
    for one, other in (given.elts, given.elts[::-1]):
        table = one
        while isinstance(table, ast.Subscript):
            table = table.value
        if isinstance(table, ast.Name) and _is_unlabelled(module, scopes, other, "pandas.Series", "pandas.DataFrame"):
            moved = _relabelled(module, scopes, table)
            if moved is not None and _is_of(module, scopes, other, moved, 4):
                yield _wrong_rows(module, call, table.id, moved[0])
                return


def _wrong_rows(module: Module, at: ast.AST, table: str, moved: ast.AST) -> Violation:
    return Violation(
        module.location(at),
        f"the rows of `{table}` have other labels than these, which are counted from 0: values land in other rows",
        f"give it `index={table}.index`, or write the array itself",
        related=(Related(location=module.location(moved), label="its rows are selected or reordered here, with their labels"),),
    )


def _reorders(call: ast.Call) -> bool:
    """`sort_values()`, or `sample(frac=1)`, with the old labels."""
    if not isinstance(call.func, ast.Attribute):
        return False
    if any(entry.arg in (None, "ignore_index", "inplace", "by") for entry in call.keywords):
        return False
    if call.func.attr == "sort_values":
        return not call.args
    share = argument(call, None, "frac")
    return call.func.attr == "sample" and isinstance(share, ast.Constant) and share.value == 1


def _last(module: Module, scopes: Scopes, name: ast.Name) -> ast.Assign | None:
    """The last assignment of a name before a use, if it surely comes before it."""
    found = scopes.lookup(name.id, name)
    if found is None:
        return None
    before = []
    for bound in found[1]:
        if not isinstance(bound, ast.Name):
            return None
        if bound.lineno < name.lineno:
            before.append(bound)
    if not before:
        return None
    latest = max(before, key=lambda bound: bound.lineno)
    statement = module.parents.get(latest)
    if isinstance(statement, ast.Tuple):
        statement = module.parents.get(statement)
    use: ast.AST | None = name
    while use is not None and isinstance(statement, ast.Assign):
        if module.parents.get(use) is module.parents.get(statement):
            return statement if in_one_block(module, use, statement) else None
        use = module.parents.get(use)
    return None


def _is_table(module: Module, scopes: Scopes, name: ast.Name, depth: int = 4) -> bool:
    """Whether a name is surely a table, and no dictionary of tables."""
    if depth == 0:
        return False
    found = scopes.lookup(name.id, name)
    if found is not None and len(found[1]) == 1 and isinstance(found[1][0], ast.arg):
        hint = found[1][0].annotation
        return origin(module, hint) == "pandas.DataFrame" if hint is not None else TABLE_NAME.match(name.id) is not None
    made = _last(module, scopes, name)
    value = made.value if made is not None else None
    if isinstance(value, ast.Call) and READERS.match(origin(module, value.func)):
        return True
    if made is not None and isinstance(made.targets[0], ast.Tuple):
        is_split = isinstance(value, ast.Call) and origin(module, value.func) == "sklearn.model_selection.train_test_split"
        given = value.args[0] if isinstance(value, ast.Call) and value.args else None
        return is_split and isinstance(given, ast.Name) and _is_table(module, scopes, given, depth - 1)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in (*KEEPING, "copy", "reset_index"):
        value = value.func.value
    elif isinstance(value, ast.Subscript) and not isinstance(value.slice, ast.Constant):
        value = value.value
    return isinstance(value, ast.Name) and _is_table(module, scopes, value, depth - 1)


def _is_read(module: Module, node: ast.expr) -> bool:
    """Whether an attribute, `self.table`, is only ever set to a table that is read."""
    if not isinstance(node, ast.Attribute):
        return False
    name = ast.unparse(node)
    values = [made.value for made in module.of(ast.Assign) if any(ast.unparse(entry) == name for entry in made.targets)]
    return bool(values) and all(isinstance(value, ast.Call) and READERS.match(origin(module, value.func)) is not None for value in values)


def _is_of(module: Module, scopes: Scopes, node: ast.AST, moved: tuple[ast.Assign, frozenset[str]], depth: int) -> bool:
    """Whether a value is made of a table's rows as they are after they were moved.

    All rows before that have the old labels rightly.
    """
    made, names = moved
    for use in ast.walk(node):
        if not isinstance(use, ast.Name) or not isinstance(use.ctx, ast.Load) or use.lineno <= made.lineno:
            continue
        if use.id in names:
            return True
        source = _last(module, scopes, use) if depth else None
        if source is not None and source.lineno > made.lineno and _is_of(module, scopes, source.value, moved, depth - 1):
            return True
    return False


def _is_unlabelled(module: Module, scopes: Scopes, node: ast.expr, *makers: str) -> bool:
    """Whether a value is an array that becomes a series or table with labels from 0."""
    if isinstance(node, ast.Name):
        made = _last(module, scopes, node)
        if made is None or not isinstance(made.targets[0], ast.Name):
            return False
        node = made.value
    if not isinstance(node, ast.Call) or origin(module, node.func) not in makers or len(node.args) != 1:
        return False
    if any(entry.arg in (None, "index") for entry in node.keywords):
        return False
    return _is_array(module, scopes, node.args[0])


def _is_array(module: Module, scopes: Scopes, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        made = _last(module, scopes, node)
        return made is not None and isinstance(made.targets[0], ast.Name) and _is_array(module, scopes, made.value)
    if isinstance(node, ast.Subscript):
        return _is_array(module, scopes, node.value)
    if isinstance(node, (ast.ListComp, ast.List)):
        return True
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr in ARRAYS:
        return True
    gives = node.func.attr in ANSWERS or (node.func.attr in TRANSFORMED and not any(word in module.text for word in TABLES_OUT))
    return gives and _is_of_library(module, scopes, node.func.value)


def _is_of_library(module: Module, scopes: Scopes, node: ast.expr) -> bool:
    """Whether a model is one of a library that answers with arrays: others may give a series, with labels."""
    if isinstance(node, ast.Name):
        made = _last(module, scopes, node)
        return made is not None and isinstance(made.targets[0], ast.Name) and _is_of_library(module, scopes, made.value)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr == "fit":
        return _is_of_library(module, scopes, node.func.value)
    return origin(module, node.func).startswith(LIBRARIES)


def _relabelled(module: Module, scopes: Scopes, table: ast.Name) -> tuple[ast.Assign, frozenset[str]] | None:
    """Where rows of a table were selected, split or reordered, with their old labels.

    With the names that the table has after that.
    """
    names = set()
    for _ in range(4):
        names.add(table.id)
        made = _last(module, scopes, table)
        if made is None or _resets(module, scopes, table, made):
            return None
        if isinstance(made.targets[0], ast.Tuple):
            is_split = isinstance(made.value, ast.Call) and origin(module, made.value.func) == "sklearn.model_selection.train_test_split"
            shuffles = argument(made.value, None, "shuffle") if isinstance(made.value, ast.Call) else None
            parts = {entry.id for entry in made.targets[0].elts if isinstance(entry, ast.Name)}
            return (made, frozenset(names | parts)) if is_split and shuffles is None else None
        value = made.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "copy":
            value = value.func.value
        if isinstance(value, ast.Name):
            table = value
            continue
        return (made, frozenset(names)) if _selects(value) else None
    return None


def _selects(node: ast.expr) -> bool:
    """`table[table["a"] > 0]`, `table.dropna()`, `table.sort_values("a")`, without new labels."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KEEPING:
        return not any(entry.arg in (None, "ignore_index", "inplace") for entry in node.keywords)
    if not isinstance(node, ast.Subscript):
        return False
    asks = node.slice
    return isinstance(asks, ast.Compare) or (
        isinstance(asks, ast.Call) and isinstance(asks.func, ast.Attribute) and asks.func.attr in ("isin", "notna", "notnull", "between")
    )


def _resets(module: Module, scopes: Scopes, table: ast.Name, made: ast.Assign) -> bool:
    """Whether a table gets new labels in place: `reset_index(inplace=True)`, `table.index = …`."""
    for use in module.named.get(table.id, ()):
        around = module.parents.get(use)
        if (
            made.lineno < use.lineno <= table.lineno
            and isinstance(around, ast.Attribute)
            and around.attr in ("reset_index", "index", "set_index")
            and (around.attr != "index" or isinstance(around.ctx, ast.Store))
        ):
            return True
    return False


PROGRAM = """import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

table = pd.read_csv("tips.csv")
train, test = {split}
model = LinearRegression().fit(train[["bill"]], train["tip"])
{before}
{write}
print((test["guess"] - test["tip"]).abs().mean())
"""
SPLIT = "train_test_split(table, random_state=0)"
LATER = "test = test.copy()"
SERIES = 'test["guess"] = pd.Series(model.predict(test[["bill"]]))'
BESIDE = 'test = pd.concat([test, pd.DataFrame(model.predict(test[["bill"]]), columns=["guess"])], axis=1)'


def _bad(write: str, before: str = LATER, split: str = SPLIT) -> str:
    return PROGRAM.format(split=split, before=before, write=write)


HERE = "  # <- here"
BAD = [
    program(_bad(SERIES + HERE)),
    program(_bad(BESIDE + HERE)),
    program(_bad('guess = model.predict(test[["bill"]])\ntest["guess"] = pd.Series(guess)' + HERE)),
    program(_bad(SERIES + HERE, 'test = table[table["bill"] > 3]')),
    program(_bad('test["guess"] = test["tip"]\ntest["guess"] = test["guess"].sample(frac=1, random_state=0)' + HERE)),
    program(_bad('test["guess"] = test["tip"]\ntest["guess"] = test["guess"].sort_values(ascending=False)' + HERE)),
]
GOOD = [
    program(_bad('test["guess"] = model.predict(test[["bill"]])')),
    program(_bad(SERIES.replace("]]))", "]]), index=test.index)"))),
    program(_bad(SERIES, "test = test.reset_index(drop=True)")),
    program(_bad(SERIES, "test.reset_index(drop=True, inplace=True)")),
    program(_bad(SERIES, 'test = pd.read_csv("more.csv")')),
    program(_bad(BESIDE, "test = test.reset_index()")),
    program(_bad('test["guess"] = test["tip"].sample(frac=1, random_state=0).to_numpy()')),
    program(_bad('test["guess"] = pd.Series(test["tip"])')),
    program(_bad('test = test.sort_values("tip")\ntest["guess"] = test["tip"].rank()')),
]
