"""LEK104."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Item, Operation, Value, constant, number, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import enclosing_function
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.rows.cuts import Cut, cuts
from gonogo.analysis.rows.origins import Origins
from gonogo.analysis.rows.parts import parts_in
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_cause
from gonogo.rules.happened import violation

WINDOWS = frozenset({"rolling", "expanding", "ewm"})  # of the rows before each row
JOINS = frozenset({"concatenate", "concat", "cat", "vstack", "row_stack"})
STATISTICS = frozenset({"mean", "std", "var", "min", "max", "median", "quantile", "percentile", "mode", "ptp"})


@rule("LEK104", "statistics-of-all-rows", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def statistics_of_all_rows(programs: list[Program], symbols: Symbols) -> Iterator[Violation]:
    """Columns are normalised or filled with statistics of all rows before the rows are split.

    What it does:
        Speaks where `(X - X.mean(axis=0)) / X.std(axis=0)`, or the like with minimum, maximum, median or quantile, or
        `X.fillna(X.mean())` is computed over rows that are split afterwards. Statistics of each row by itself, of the training part,
        and division by a constant such as 255 are right. Which of two methods that nobody calls comes first, nobody knows: nothing is said
        where the one that normalises stands below the one that splits.

    Why it matters:
        It is a scaler or imputer that was fitted to the test rows as well, only written by hand (scikit-learn, "Common pitfalls and
        recommended practices"; Kaufman et al., Leakage in data mining, 2012). With time series the future's level is in the past.

    Instead:
        Split first; compute the statistics over the training part, and use these for all parts.
    """
    yield from by_cause(found for walked in programs for found in _found(walked, symbols))


def _found(walked: Program, symbols: Symbols) -> Iterator[Violation]:
    for cut in walked.known(cuts):
        held = parts_in(walked).held(cut.data)
        if held.parts or cut.is_of_targets:
            continue
        for value in (*walked.known(Origins).of(cut.data, cut.at), *_in_place(walked, cut)):
            problem = _problem(walked, value, cut)
            if problem and not _may_come_later(value, cut, symbols):
                yield violation(
                    value,
                    f"{problem} of all rows before they are split: the held-out rows go into what is learned from",
                    "compute the statistics over the training part only",
                    sure=cut.sure,
                    related=((cut.split, "the rows are split here"),),
                )


def _in_place(walked: Program, cut: Cut) -> Iterator[Value]:
    """Gaps that are filled in place: `table["age"].fillna(…, inplace=True)`."""
    order = walked.known(Order)
    for event in walked.calls("fillna"):
        if constant(event.call.argument(None, "inplace")) is True and (cut.at is None or order.place(event) < cut.at):
            yield event.call


def _may_come_later(value: Value, cut: Cut, symbols: Symbols) -> bool:
    """Whether rows are normalised by a method that no code calls.

    It stands below the one of the same class that splits them.
    """
    methods = [enclosing_function(entry.module, entry.node) for entry in (value, cut.split)]
    own, other = methods
    if own is None or other is None or value.module is not cut.split.module or own.lineno <= other.lineno:
        return False
    owners = [value.module.parents.get(method) for method in methods if method is not None]
    if not isinstance(owners[0], ast.ClassDef) or owners[0] is not owners[1]:
        return False
    called = (call.func for module in symbols.modules.values() for call in module.of(ast.Call))
    return not any(
        (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) == own.name for function in called
    )


def _problem(walked: Program, value: Value, cut: Cut) -> str:
    value = plain(value)
    if isinstance(value, Operation) and value.operator in ("-", "/"):
        data, statistic = value.operands
        op = op_of(plain(statistic))
        if value.operator == "-" and op is not None and op.name in ("min", "max"):
            return ""  # a shift alone, so that nothing is negative; a quotient around it is looked at by itself
        if _is_statistic_of(walked, statistic, data, cut):
            return "columns are normalised by statistics"
    if isinstance(value, Call) and value.method == "fillna" and value.receiver is not None:
        given = value.argument(0, "value")
        if given is not None and _is_statistic_of(walked, given, value.receiver, cut):
            return "gaps are filled with statistics"
    return ""


def _is_statistic_of(walked: Program, statistic: Value, data: Value, cut: Cut) -> bool:
    """Whether a value is a mean, spread or extreme over the rows of the same data."""
    statistic = plain(statistic)
    if isinstance(statistic, Operation) and statistic.operator in ("-", "+", "/", "*"):  # maximum - minimum, std + 1e-8
        return any(_is_statistic_of(walked, operand, data, cut) for operand in statistic.operands)
    if isinstance(statistic, Item):
        statistic = plain(statistic.owner)  # `mode()[0]`
        if isinstance(statistic, Call) and statistic.short not in ("mode", "percentile", "quantile"):
            return False
    op = op_of(statistic)
    if op is None or op.name not in STATISTICS or not op.operands or _each_row(op.option(0, "axis", "dim")):
        return False
    if isinstance(window := plain(op.operands[0]), Call) and window.method in WINDOWS:
        return False
    rows = parts_in(walked)
    over, table = rows.held(op.operands[0]), rows.held(data)
    if over.parts or table.parts or any(_joins_rows(value) for value in rows.held(cut.data).whole - over.whole):
        return False
    return bool(over.whole & table.whole & (rows.held(cut.data).whole | {base(data)})) or bool(
        over.whole & rows.held(cut.data).whole & table.whole
    )


def _joins_rows(value: Value) -> bool:
    """Return whether a value is several tables stacked on each other.

    The statistics of one of them are not those of all rows.
    """
    op = op_of(value)
    if op is None or op.name not in JOINS or not op.operands:
        return False
    joined = plain(op.operands[0])
    return isinstance(joined, Display) and len(joined.items) > 1 and not _each_row(op.option(0, "axis", "dim"))


def _each_row(axis: Value | None) -> bool:
    """Whether a statistic is one of each row: along any axis but the first, or one that is not known."""
    known = constant(axis) if axis is not None else None
    if isinstance(axis, Value) and not isinstance(known, (int, str)) and known is not None:
        return not _has_first(axis)
    return known in (1, -1, 2, 3, "columns", True)


def _has_first(axis: Value) -> bool:
    axis = plain(axis)
    return isinstance(axis, Display) and any(number(entry) == 0 for entry in axis.items)


HEAD = """import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

table = pd.read_csv("houses.csv")
X, y = table.drop(columns="price"), table["price"]
"""
END = """X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print(Ridge().fit(X_train, y_train).score(X_test, y_test))
"""
BAD = [
    program(HEAD + "X = (X - X.min()) / (X.max() - X.min())  # <- here\n" + END),
    program(HEAD + "X = X / X.std()  # <- here\n" + END),
    program(HEAD + "X = X.fillna(X.median())  # <- here\n" + END),
    program(HEAD.replace("X, y =", 'table["size"] = table["size"].fillna(table["size"].mean())  # <- here\nX, y =') + END),
]
GOOD = [
    program(
        HEAD
        + """X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
mean, std = X_train.mean(), X_train.std()
X_train, X_test = (X_train - mean) / std, (X_test - mean) / std
print(Ridge().fit(X_train, y_train).score(X_test, y_test))
"""
    ),
    program(HEAD + "X = X.div(X.sum(axis=1), axis=0) / 255\nX = X.sub(X.mean(axis=1), axis=0).fillna(0)\n" + END),
    program(HEAD + "X = X - X.min()\n" + END),
    program(
        """import numpy as np
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

first, second = np.load("first.npy"), np.load("second.npy")
mean, std = first.mean(axis=0), first.std(axis=0)
first, second = (first - mean) / std, (second - mean) / std
both = np.concatenate((first, second))
labels = np.concatenate((np.zeros(len(first)), np.ones(len(second))))
print(cross_val_score(MLPClassifier(random_state=0), both, labels))
"""
    ),
]
