"""LEK106."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant, number, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import argument, last_name
from gonogo.analysis.rows.columns import IN_TIME, Supervised, Tables, shift_of
from gonogo.analysis.training.loops import training_loops
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# Names of columns that are to be predicted: they may look ahead.
AHEAD = re.compile(
    r"targ|label|future|next|ahead|lead|^y$|y_|return|ret_|horizon|tomorrow|forecast|predict|actual|truth|answer|outcome|signal",
    re.IGNORECASE,
)
LEARNING = ("fit", "partial_fit", "train_test_split", "cross_val_score", "cross_validate", "fit_predict", "train")


@rule("LEK106", "future-values", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def future_values(programs: list[Program]) -> Iterator[Violation]:
    """A time series feature uses later rows: a negative shift, a centred window, a backward fill.

    What it does:
        Looks at the columns that are written into tables. Speaks where one is made by `shift(-n)`, `diff(-n)`, `pct_change(-n)`,
        `rolling(…, center=True)` or a backward fill, and is among the features that a model is fitted to. A target that looks ahead
        is right. Where features and target can't be told, it is a warning, and only where other columns look back.

    Why it matters:
        When the forecast is made the later values are not known. The score is that of a model that has seen the answer (Kaufman et
        al., Leakage in data mining, 2012; Hewamalage et al., Forecast evaluation for data scientists: common pitfalls, 2023).

    Instead:
        Make features of the current and earlier rows: `shift(n)` with positive n, `rolling(n)`, `ffill()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    tables = walked.known(Tables)
    fits = {id(fit.table): fit for fit in tables.supervised()}
    for table, columns in tables.writes.items():
        fit = fits.get(id(table))
        for name, writes in columns.items():
            for write in writes:
                problem = _looks_ahead(write.value)
                if problem and _is_feature(fit, name, columns, problem) and (fit is not None or _may_be_learned_from(walked, write, name)):
                    yield violation(
                        write,
                        f"the feature `{name}` is made of later rows: {problem}",
                        "make it of earlier rows, or leave it out of the features",
                        sure=fit is not None and not problem.startswith("gaps"),
                        related=((fit.at, "it is learned from here"),) if fit is not None else (),
                    )


def _is_feature(fit: Supervised | None, name: str, columns: dict[str, list[Write]], problem: str) -> bool:
    if fit is not None:
        return name != fit.target and fit.features.has(name)
    if AHEAD.search(name):
        return False
    return any(_looks_back(write.value) for other, writes in columns.items() if other != name for write in writes)


def _may_be_learned_from(walked: Program, write: Write, name: str) -> bool:
    """Whether a model learns in the program, and nothing tells it to predict the column."""
    if not (walked.has(*LEARNING) or walked.known(training_loops)):
        return False
    return not any(
        isinstance(inner, ast.Constant) and inner.value == name
        for call in write.module.of(ast.Call)
        for given in (_wanted(call),)
        if given is not None
        for inner in ast.walk(given)
    )


def _wanted(call: ast.Call) -> ast.expr | None:
    """What a call takes for the values that are to be predicted."""
    if last_name(call.func) in LEARNING:
        return argument(call, 1, "y")
    return argument(call, 0, "y_true") if last_name(call.func).endswith(("_score", "_error")) else None


def _looks_back(value: Value) -> bool:
    return any(isinstance(entry, Call) and entry.method in IN_TIME and not _ahead(entry) for entry in ancestry(value))


def _looks_ahead(value: Value) -> str:
    """How a value is made of later rows, empty where it is not."""
    for entry in ancestry(value, goes_on=lambda value: True):
        if (isinstance(entry, Call) and entry is not value) or isinstance(base(value), Call):
            found = _ahead(base(entry)) if isinstance(base(entry), Call) else ""  # type: ignore[arg-type]
            if found:
                return found
    return ""


def _ahead(call: Call) -> str:
    back = shift_of(call)
    if back is not None and back < 0:
        return f"`{call.method}({back:g})`"
    if call.method == "rolling" and constant(call.argument(None, "center")) is True:
        return "the window is centred"
    if call.method in ("bfill", "backfill") or (call.method == "fillna" and text(call.argument(None, "method")) in ("bfill", "backfill")):
        return "gaps are filled from behind"
    if call.method == "shift" and (step := call.argument(0, "periods")) is not None and number(step) is not None and number(step) < 0:  # type: ignore[operator]
        return "`shift` looks ahead"
    return ""


HEAD = """import pandas as pd
from sklearn.linear_model import Ridge

table = pd.read_csv("prices.csv").sort_values("day")
table["target"] = table["close"].shift(-1)
table["before"] = table["close"].shift(1)
"""
END = """table = table.dropna()
train, test = table.iloc[:800], table.iloc[800:]
names = ["before", "extra"]
model = Ridge().fit(train[names], train["target"])
print(model.score(test[names], test["target"]))
"""
BAD = [
    program(HEAD + 'table["extra"] = table["volume"].shift(-1)  # <- here\n' + END),
    program(HEAD + 'table["extra"] = table["close"].rolling(5, center=True).mean()  # <- here\n' + END),
]
GOOD = [
    program(HEAD + 'table["extra"] = table["volume"].rolling(5).mean()\n' + END),
    program(HEAD + 'table["extra"] = table["volume"].diff(7)\ntable["later"] = table["close"].shift(-7)\n' + END),
    # Nothing is learned here: what the next day brings is what the strategy earns.
    program(
        HEAD.replace("from sklearn.linear_model import Ridge\n", "")
        + 'table["gain"] = table["close"].pct_change().shift(-1)\ntable["on"] = table["before"].rolling(5).mean() > table["before"]\n'
        'print((table["on"] * table["gain"]).sum())\n'
    ),
    program(
        """import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score


def prepare(path):
    table = pd.read_csv(path).sort_values("day")
    table["before"] = table["close"].pct_change()
    table["up"] = (table["close"].shift(-1) > table["close"]).astype(int)
    return table.iloc[2:-1]


table = prepare("prices.csv")
names = ["before", "volume"]
n = int(0.7 * len(table))
model = LogisticRegression().fit(table[names].iloc[:n], table["up"].iloc[:n])
print(accuracy_score(table["up"].iloc[n:], model.predict(table[names].iloc[n:])))
"""
    ),
]
