"""LEK105."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, Operation, Value, constant
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.columns import Supervised, Tables
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# What gives for each row a number of that row alone.
ROW_BY_ROW = words(
    "log log1p log2 log10 exp sqrt abs astype map apply where round clip cut qcut fillna isin between "
    "to_numpy values replace copy square power "
    "to_numeric floor ceil sign gt lt ge le eq ne mul add sub div"
)
GROUPED = frozenset({"transform", "mean", "agg", "aggregate", "sum", "median", "apply"})


@rule("LEK105", "target-among-features", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def target_among_features(programs: list[Program]) -> Iterator[Violation]:
    """The target, or a column that is made of it, is among the features that the model is given.

    What it does:
        Follows features and target of each fit to the columns of the table that both come from. Speaks where the features still have
        the target's column, a column that is computed from the target of the same row, a column that the target is computed from
        row by row, or the mean target of a group over all rows. Lagged targets, and pipelines that choose columns themselves, are
        left alone.

    Why it matters:
        The model reads the answer: the score is near perfect, and in use the column is not there (Kaufman et al., Leakage in data
        mining: formulation, detection, and avoidance, 2012; Micci-Barreca, 2001, on encoding by the target).

    Instead:
        Drop the target, and all that is made of it, from the features; encode by the target within each fold only.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    tables = walked.known(Tables)
    for fit in tables.supervised():
        if fit.features.has(fit.target):
            yield violation(fit.at, f"the target `{fit.target}` is among the features", f"drop `{fit.target}` from the features")
            continue
        written = tables.written(fit)
        for name, writes in written.items():
            if name != fit.target and fit.features.has(name):
                found = _made_of(tables, fit, writes[-1].value, fit.target)
                if found:
                    yield violation(
                        writes[-1],
                        f"the feature `{name}` is {found} the target `{fit.target}`",
                        f"leave `{name}` out of the features" if found == "computed from" else "encode within each training fold",
                        related=((fit.at, "it is learned from here"),),
                    )
        for write in written.get(fit.target, ())[-1:]:
            sources = _columns_in(tables, fit.table, write.value)
            if len(sources) == 1 and fit.features.has(next(iter(sources))) and next(iter(sources)) != fit.target:
                yield violation(
                    write,
                    f"the target is computed from `{next(iter(sources))}`, which is still among the features",
                    f"drop `{next(iter(sources))}` from the features",
                    related=((fit.at, "it is learned from here"),),
                )


def _made_of(tables: Tables, fit: Supervised, value: Value, target: str) -> str:
    value = base(value)
    if target in _columns_in(tables, fit.table, value):
        return "computed from"
    return "the mean over all rows of" if _is_group_mean(tables, fit, value, target) else ""


def _is_group_mean(tables: Tables, fit: Supervised, value: Value, target: str) -> bool:
    """Return whether a value is a group mean of the target.

    Examples: `table.groupby(column)[target].transform("mean")`, `table[column].map(table.groupby(column)[target].mean())`.
    """
    if isinstance(value, Call) and value.method == "map" and value.arguments:
        value = base(value.arguments[0])
    if not isinstance(value, Call) or value.method not in GROUPED or value.receiver is None:
        return False
    owner = base(value.receiver)
    if not isinstance(owner, Item) or constant(owner.key) != target:
        return False
    grouped = base(owner.owner)
    return (
        isinstance(grouped, Call) and grouped.method == "groupby" and grouped.receiver is not None and base(grouped.receiver) is fit.table
    )


def _columns_in(tables: Tables, table: Value, value: Value) -> set[str]:
    """Return the columns that a value is computed from, row by row.

    Empty where other rows, or anything unknown, are involved.
    """
    found: set[str] = set()
    pending, depth = [value], 0
    while pending and depth < 60:
        depth += 1
        entry = base(pending.pop())
        column = tables.column_of(entry) if entry is not base(value) else None
        if column is not None:
            if column[0] is not table:
                return set()
            found.add(column[1])
        elif isinstance(entry, Operation):
            pending += entry.operands
        elif isinstance(entry, Item):
            column = tables.column_of(entry)
            if column is None or column[0] is not table:
                return set()
            found.add(column[1])
        elif isinstance(entry, Call):
            if entry.short not in ROW_BY_ROW:
                return set()
            pending += [entry.receiver] if entry.receiver is not None and not entry.name else list(entry.arguments[:1])
        elif constant(entry) is ...:
            return set()
    return found


HEAD = """import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

table = pd.read_csv("houses.csv")
"""
END = """train, test, price, wanted = train_test_split(features, table["price"], random_state=0)
model = RandomForestRegressor(random_state=0)
model.fit(train, price){marker}
print(model.score(test, wanted))
"""
BAD = [
    program(HEAD + 'features = table[["area", "rooms", "price"]]\n' + END.format(marker="  # <- here")),
    program(HEAD + 'features = table.drop(columns=["id"])\n' + END.format(marker="  # <- here")),
    program(
        HEAD
        + 'table["each"] = table["price"] / table["area"]  # <- here\nfeatures = table.drop(columns=["price"])\n'
        + END.format(marker="")
    ),
    program(
        HEAD
        + 'table["usual"] = table.groupby("street")["price"].transform("mean")  # <- here\nfeatures = table.drop("price", axis=1)\n'
        + END.format(marker="")
    ),
]
GOOD = [
    program(HEAD + 'features = table[["area", "rooms"]]\n' + END.format(marker="")),
    program(HEAD + 'features = table.drop("price", axis=1).drop(columns="id")\n' + END.format(marker="")),
    program(HEAD + 'table["before"] = table["price"].shift(1)\nfeatures = table.drop(columns="price").dropna()\n' + END.format(marker="")),
]
