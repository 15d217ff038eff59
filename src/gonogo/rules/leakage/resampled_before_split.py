"""LEK103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Operation, Value, constant, number, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.cuts import Cut, all_fits, cuts
from gonogo.analysis.rows.learners import Learns
from gonogo.analysis.rows.parts import parts_in
from gonogo.analysis.training.ops import op_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

COPIES = frozenset({"repeat", "tile"})
JOINS = frozenset({"concat", "concatenate", "vstack", "append", "ConcatDataset", "hstack", "cat", "r_"})
BESIDE = frozenset({"concatenate", "concat", "cat", "hstack", "column_stack", "stack"})  # that join columns, with an axis


@rule("LEK103", "resampled-before-split", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def resampled_before_split(programs: list[Program]) -> Iterator[Violation]:
    """Rows are copied, blended or augmented before they are split: copies of one row land on both sides.

    What it does:
        Speaks where the output of an over-sampler (SMOTE and its kin, `RandomOverSampler`, `resample` with replacement, `repeat`) or
        a table joined with an altered copy of itself is split by `train_test_split`, a cross-validator or slices. A resampler in an
        imblearn pipeline works in each fold and is right. An under-sampler before the split is a warning: the test part then has
        other proportions than the data; and so is a copy that is a number higher or lower, which may be another series. Copies that
        become columns beside others, as in each user with each item, are rows of their own.

    Why it matters:
        A copy of a test row, or a blend with it, was trained on: the model recognises it. The score is too good, the more so the
        rarer the class is (imbalanced-learn, "Common pitfalls and recommended practices"; Santos et al., Cross-validation for
        imbalanced datasets: avoiding overoptimistic and overfitting approaches, 2018).

    Instead:
        Split first, then resample or augment the training part only.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for fit in walked.known(all_fits):
        if fit.learns is Learns.ROWS and not parts_in(walked).held(fit.data).parts:
            cut = _cut_of(walked, base(fit.event.call))
            if cut is not None:
                under = fit.name in ("RandomUnderSampler", "NearMiss", "TomekLinks")
                yield violation(
                    fit.event,
                    f"`{fit.name}` resamples all rows before they are split: " + _harm(under),
                    "split first, and resample the training part only",
                    sure=cut.sure and not under,
                    related=((cut.split, "the rows are split here"),),
                )
    for event in walked.calls("resample", "sample", *COPIES, *JOINS):
        problem = _copies(walked, event.call)
        cut = _cut_of(walked, base(event.call)) if problem else None
        if cut is not None:
            yield violation(
                event,
                f"{problem} before the split: copies of one row land in both parts",
                "split first, and copy or augment rows of the training part only",
                sure=cut.sure and not _is_shifted(event.call),
                related=((cut.split, "the rows are split here"),),
            )


def _is_shifted(call: Call) -> bool:
    """Return whether a copy is another series, higher or lower than the first by a number.

    Otherwise it is the same rows with some noise.
    """
    given = plain(call.arguments[0]) if call.arguments else None
    entries = [plain(entry) for entry in given.items] if isinstance(given, Display) else []
    shifted = (entry for entry in entries if isinstance(entry, Operation) and entry.operator in ("+", "-", "*", "/"))
    return any(number(operand) is not None for entry in shifted for operand in entry.operands)


def _harm(under: bool) -> str:
    return "the test part has other proportions than the data" if under else "rows made of test rows go into training"


def _cut_of(walked: Program, made: Value) -> Cut | None:
    found = None
    for cut in walked.known(cuts):
        held = parts_in(walked).held(cut.data)
        if made in held.seen and not held.parts and not cut.is_of_targets and not _is_beside_others(walked, made, held.seen):
            if cut.sure:
                return cut
            found = cut
    return found


def _is_beside_others(walked: Program, made: Value, seen: frozenset[Value]) -> bool:
    """Whether copies become some columns of rows whose other columns differ.

    An example is each user beside each item.
    """
    if not isinstance(made, Call) or made.short not in COPIES:
        return False
    rows = parts_in(walked)
    for value in seen:
        op = op_of(value)
        if op is None or op.name not in BESIDE or not op.operands or not isinstance(joined := plain(op.operands[0]), Display):
            continue
        axis = number(op.option(0, "axis", "dim"))
        if axis == 0 or (axis is None and op.name not in ("hstack", "column_stack")):
            continue
        has = [made in rows.held(entry).seen for entry in joined.items]
        if any(has) and not all(has):
            return True
    return False


def _copies(walked: Program, call: Call) -> str:
    """How a call makes copies of rows, empty where it does not for sure."""
    if call.name == "sklearn.utils.resample" and call.arguments:
        return "rows are drawn with replacement" if constant(call.argument(1, "replace")) in (..., True) and not _says_false(call) else ""
    if call.method == "sample":
        replaced = constant(call.argument(2, "replace")) is True
        fraction = number(call.argument(1, "frac"))
        return "rows are drawn with replacement" if replaced and (fraction is None or fraction >= 1) else ""
    if call.short in COPIES and call.name.startswith("numpy.") and call.arguments:
        return "rows are repeated" if number(call.argument(2, "axis")) == 0 and parts_in(walked).held(call.arguments[0]).whole else ""
    if call.short in JOINS:
        return _joined(walked, call)
    return ""


def _says_false(call: Call) -> bool:
    return constant(call.argument(1, "replace")) is False


def _joined(walked: Program, call: Call) -> str:
    """A table that is joined with a copy of itself, changed or not, row under row."""
    given = plain(call.arguments[0]) if call.arguments else None
    if call.argument(None, "axis") is not None and number(call.argument(None, "axis")) != 0:
        return ""
    if call.short in ("concatenate", "cat", "concat") and len(call.arguments) > 1 and number(call.arguments[1]) not in (None, 0):
        return ""
    entries = list(given.items) if isinstance(given, Display) and not given.is_open else []
    if call.short == "append" and call.receiver is not None and call.arguments:
        return ""
    if call.short == "hstack" or call.name.startswith(("torch.", "tensorflow.", "jax.", "keras.")):
        return ""
    for place, one in enumerate(entries):
        for other in entries[place + 1 :]:
            if _same_rows(walked, one, other):
                return "a table is joined with a copy of itself"
    return ""


def _same_rows(walked: Program, one: Value, other: Value) -> bool:
    """Return whether two values surely have the same rows of some table.

    One is the other, or is made from all of it row by row.
    """
    first, second = base(one), base(other)
    rows = parts_in(walked)
    return first in rows.held(second).whole or second in rows.held(first).whole


HEAD = """import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score, train_test_split

table = pd.read_csv("fraud.csv")
X, y = table.drop(columns="fraud").to_numpy(), table["fraud"].to_numpy()
"""
END = """X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(RandomForestClassifier(random_state=0).fit(X_train, y_train).score(X_test, y_test))
"""
BAD = [
    program(HEAD + "X, y = SMOTE(random_state=0).fit_resample(X, y)  # <- here\n" + END),
    program(
        HEAD + "noisy = X + np.random.default_rng(0).normal(size=X.shape)\nX = np.concatenate([X, noisy])  # <- here\ny "
        "= np.concatenate([y, y[:]])\n" + END
    ),
]
GOOD = [
    program(
        HEAD
        + """X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
X_train, y_train = SMOTE(random_state=0).fit_resample(X_train, y_train)
print(RandomForestClassifier(random_state=0).fit(X_train, y_train).score(X_test, y_test))
"""
    ),
    program(HEAD + "print(cross_val_score(make_pipeline(SMOTE(), RandomForestClassifier()), X, y).mean())\n"),
]
