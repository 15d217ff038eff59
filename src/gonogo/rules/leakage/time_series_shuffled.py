"""LEK107."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant, number, options, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.columns import IN_TIME, Tables, shift_of
from gonogo.analysis.rows.cuts import Cut, cuts
from gonogo.analysis.rows.origins import Origins
from gonogo.analysis.rows.parts import parts_in
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

TIME = re.compile(
    r"^(?:date|time|datetime|timestamp|day|month|year|week|hour|ds)$|(?:_|^)(?:date|time|timestamp|datetime)(?:_|$)", re.IGNORECASE
)


@rule("LEK107", "time-series-shuffled", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def time_series_shuffled(programs: list[Program]) -> Iterator[Violation]:
    """A time series is split at random: the model learns from days after those that it is scored on.

    What it does:
        Speaks where rows that are sorted by a column of time, or that have features of earlier rows (`shift`, `rolling`, `diff`), are
        split by `train_test_split` without `shuffle=False`, by `random_split`, or by a shuffled `KFold`. An error where the feature
        is an earlier target: then the rows to the left and right of a test row hold its answer.

    Why it matters:
        Neighbours in time are alike, so that a random test row has near copies among the training rows; a forecast has none. The score
        is too good (Bergmeir and Benítez, On the use of cross-validation for time series predictor evaluation, 2012; scikit-learn,
        `TimeSeriesSplit`).

    Instead:
        Split by time: `shuffle=False`, a date, or `TimeSeriesSplit`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for cut in walked.known(cuts):
        held = parts_in(walked).held(cut.data)
        if not cut.sure or held.parts or not _is_random(cut):
            continue
        evidence = _evidence(walked, cut)
        if evidence is not None:
            at, said, lagged = evidence
            yield violation(
                cut.split,
                f"rows of a time series ({said}) are split at random: training rows come after test rows",
                "split by time: `shuffle=False`, a date, or `TimeSeriesSplit`",
                severity=Severity.ERROR if lagged else None,
                sure=lagged,
                related=((at, "it is a time series by this"),),
            )


def _is_random(cut: Cut) -> bool:
    call = cut.split
    if not isinstance(call, Call):
        return False
    if call.short == "train_test_split":
        given = call.argument(None, "shuffle")
        return given is None or constant(given) is True
    if call.short == "random_split":
        return True
    if call.method == "split" and call.receiver is not None:
        return _shuffles(call.receiver)
    given = call.argument(None, "cv")
    return given is not None and _shuffles(given)


def _shuffles(splitter: Value) -> bool:
    made = base(splitter)
    if not isinstance(made, Call):
        return False
    return "ShuffleSplit" in made.short or ("KFold" in made.short and constant(made.argument(None, "shuffle")) is True)


def _evidence(walked: Program, cut: Cut) -> tuple[Value | Write, str, bool] | None:
    """What shows that rows come one after the other in time, and whether an earlier target is a feature."""
    tables = walked.known(Tables)
    targets = {fit.table: fit.target for fit in tables.supervised()}
    for value in walked.known(Origins).of(cut.data, cut.at):
        value = plain(value)
        for name, writes in tables.writes.get(value, {}).items():
            for write in writes:
                for found in _lags(write.value):
                    column = tables.column_of(found.receiver) if found.receiver is not None else None
                    if column is None or _in_groups(found):
                        continue
                    lagged = targets.get(value) == column[1] and (shift_of(found) or 0) > 0 and name != column[1]
                    return write, f"`{name}` is made of earlier rows", lagged
        if isinstance(value, Call) and value.method == "sort_values" and not _in_groups(value):
            by = text(value.argument(0, "by"))
            if by is not None and TIME.search(by):
                return value, f"sorted by `{by}`", False
    return None


def _lags(value: Value) -> Iterator[Call]:
    """The calls through which a column is made of other rows, the last one first."""
    for entry in ancestry(value):
        for option in options(entry)[:1]:
            if isinstance(option, Call) and option.method in IN_TIME - {"cumsum", "bfill", "ffill", "interpolate", "cummax", "cummin"}:
                back = shift_of(option)
                if back is None or back > 0 or number(option.argument(0, "periods")) is None:
                    yield option


def _in_groups(call: Call) -> bool:
    """Whether rows are compared within groups: a panel of many series may be split by series."""
    return any(isinstance(entry, Call) and entry.method == "groupby" for entry in ancestry(call))


HEAD = """import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import TimeSeriesSplit, cross_val_score, train_test_split

table = pd.read_csv("sales.csv").sort_values("date")
table["before"] = table["sales"].shift(1)
table = table.dropna()
X, y = table[["before"]], table["sales"]
"""
END = """print(Ridge().fit(X_train, y_train).score(X_test, y_test))
"""
BAD = [
    program(HEAD + "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)  # <- here\n" + END),
    program(
        HEAD.replace('table["before"] = table["sales"].shift(1)\n', "").replace('"before"', '"price"')
        + "X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)  # <- here\n"
        + END
    ),
]
GOOD = [
    program(HEAD + "X_train, X_test, y_train, y_test = train_test_split(X, y, shuffle=False)\n" + END),
    program(HEAD + "print(cross_val_score(Ridge(), X, y, cv=TimeSeriesSplit(5)).mean())\n"),
]
