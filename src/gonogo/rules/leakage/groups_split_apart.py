"""LEK110."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, is_none_literal, origin
from gonogo.analysis.rows.cuts import Cut, cuts
from gonogo.analysis.rows.parts import parts_in
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

GROUP = re.compile(
    r"^(?:patient|subject|speaker|participant|person|user|animal|mouse|session|recording|video|scene|site|donor|slide|family)(?:_?(?:id|name|no|nr))?$",
    re.IGNORECASE,
)
# Splitters of scikit-learn that take `groups` and ignore them.
UNGROUPED = frozenset({"KFold", "StratifiedKFold", "ShuffleSplit", "StratifiedShuffleSplit", "RepeatedKFold", "RepeatedStratifiedKFold"})


@rule("LEK110", "groups-split-apart", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def groups_split_apart(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """Rows of one patient, speaker or video are split at random, so that they land on both sides.

    What it does:
        Speaks where a table with a column such as `patient_id`, by which the program itself groups or counts its rows, is split by
        `train_test_split`, `KFold` or the like, and nothing in the program splits by groups. Where `cross_val_score` or a search is given
        `groups` along with a splitter that ignores them, such as `KFold`, it is an error.

    Why it matters:
        The model recognises the patient, not the illness; for a new one the score does not hold (Saeb et al., The need to approximate
        the use-case in clinical machine learning, 2017; scikit-learn, "Cross-validation iterators for grouped data").

    Instead:
        Split by group: `GroupShuffleSplit`, `GroupKFold`, or a split of the list of patients.
    """
    yield from by_place(found for walked in programs for found in _found(walked))
    for module in modules.values():
        yield from _ignored(module)


def _ignored(module: Module) -> Iterator[Violation]:
    """Groups that are given along with a splitter that takes no notice of them."""
    for call in module.of(ast.Call):
        groups, folds = argument(call, None, "groups"), argument(call, None, "cv")
        if not origin(module, call.func).startswith("sklearn.model_selection.") or folds is None or _is_nothing(groups):
            continue
        if isinstance(folds, ast.Name):
            given = [
                node.value
                for node in module.of(ast.Assign)
                if any(isinstance(entry, ast.Name) and entry.id == folds.id for entry in node.targets)
            ]
            bound = [name for name in module.named.get(folds.id, ()) if isinstance(name.ctx, ast.Store)]
            if len(given) != 1 or len(bound) != 1:
                continue
            folds = given[0]
        kind = origin(module, folds.func).removeprefix("sklearn.model_selection.") if isinstance(folds, ast.Call) else ""
        if kind in UNGROUPED or (isinstance(folds, ast.Constant) and isinstance(folds.value, int)):
            yield Violation(
                module.location(call),
                "the groups are ignored: these folds split their rows at random",
                "give `cv` a `GroupKFold` or the like",
                severity=Severity.ERROR,
            )


def _is_nothing(node: ast.expr | None) -> bool:
    return node is None or is_none_literal(node)


def _found(walked: Program) -> Iterator[Violation]:
    grouped = list(_groups(walked))
    if not grouped or any(_by_group(event.call) for event in walked.calls()):
        return
    for cut in walked.known(cuts):
        if not cut.sure or not _is_plain(cut):
            continue
        held = parts_in(walked).held(cut.data)
        for at, table, name in grouped:
            if base(table) in held.whole:
                yield violation(
                    cut.split,
                    f"rows are split at random, and those of one `{name}` land on both sides",
                    f"split by `{name}`, with `GroupShuffleSplit` or `GroupKFold`",
                    sure=False,
                    related=((at, f"there are several rows for each `{name}`"),),
                )
                break


def _groups(walked: Program) -> Iterator[tuple[Placed, Value, str]]:
    """Tables whose rows the program groups by whom they are of."""
    for event in walked.calls("groupby"):
        by = text(event.call.argument(0, "by"))
        if event.call.receiver is not None and by is not None and GROUP.match(by):
            yield event, event.call.receiver, by
    for event in walked.calls("nunique", "unique", "value_counts"):
        column = plain(event.call.receiver) if event.call.receiver is not None else None
        name = text(getattr(column, "key", None)) if column is not None else None
        if name is not None and GROUP.match(name) and column is not None:
            yield event, column.owner, name  # type: ignore[attr-defined]


def _is_plain(cut: Cut) -> bool:
    call = cut.split
    return isinstance(call, Call) and (call.short in ("train_test_split", "cross_val_score", "cross_validate") or call.method == "split")


def _by_group(call: Call) -> bool:
    return "Group" in call.short or "groups" in call.keywords or (call.method == "split" and len(call.arguments) > 2)


HEAD = """import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit, train_test_split

scans = pd.read_csv("scans.csv")
print(scans.groupby("patient_id").size().max(), "scans of one patient")
X, y = scans.drop(columns=["patient_id", "sick"]), scans["sick"]
"""
_SPLIT = program(
    HEAD
    + """X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)  # <- here
print(LogisticRegression().fit(X_train, y_train).score(X_test, y_test))
"""
)
_BY_GROUP = program(
    HEAD
    + """train, test = next(GroupShuffleSplit(1, random_state=0).split(X, y, scans["patient_id"]))
print(LogisticRegression().fit(X.iloc[train], y[train]).score(X.iloc[test], y[test]))
"""
)
FOLDS = """import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_score

scans = pd.read_csv("scans.csv")
X, y, folds = scans[["size", "age"]], scans["sick"], {folds}
cv = {folds}
print(cross_val_score(LogisticRegression(), X, y, {given})){marker}
"""
BAD = [
    _SPLIT,
    program(FOLDS.format(folds="KFold(5)", given='groups=scans["patient_id"], cv=cv', marker="  # <- here")),
    program(FOLDS.format(folds="5", given='groups=scans["patient_id"], cv=5', marker="  # <- here")),
]
GOOD = [
    _BY_GROUP,
    program(FOLDS.format(folds="GroupKFold(5)", given='groups=scans["patient_id"], cv=cv', marker="")),
    program(FOLDS.format(folds="KFold(5)", given="groups=None, cv=cv", marker="")),
    program(FOLDS.format(folds="KFold(5)", given='groups=scans["patient_id"]', marker="")),
]
