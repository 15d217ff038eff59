"""LEK126."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, last_name
from gonogo.analysis.rows.parts import Role, role_of_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule


@rule("LEK126", "split-in-wrong-order", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def split_in_wrong_order(modules: dict[str, Module]) -> Iterator[Violation]:
    """The parts of a split get each other's names.

    What it does:
        Compares the names that `train_test_split` of scikit-learn is unpacked into with what it returns: for each array its training
        part, then its test part. Speaks where every name says which part it is and they stand in another order. Two parts that are
        exchanged for all arrays are left alone where the test part is the larger one: that may be meant.

    Why it matters:
        Features of one part stand beside labels of the other, of another length or, with equal parts, of other rows; or the model learns
        from the small part.

    Instead:
        Write `x_train, x_test, y_train, y_test = train_test_split(x, y, …)`.
    """
    for module in modules.values():
        for call in calls(module):
            parent = module.parents.get(call)
            if last_name(call.func) != "train_test_split" or not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
                continue
            target = parent.targets[0]
            given = [entry for entry in call.args if not isinstance(entry, ast.Starred)]
            if not isinstance(target, (ast.Tuple, ast.List)) or len(given) != len(call.args) or len(target.elts) != 2 * len(given):
                continue
            roles = [role_of_name(last_name(entry)) for entry in target.elts]
            if None not in roles and _is_wrong([role is Role.TRAIN for role in roles], call):
                names = ", ".join(ast.unparse(entry) for entry in target.elts)
                yield Violation(
                    module.location(target),
                    f"`train_test_split` gives the training part of each array, then its test part, and this is `{names}`",
                    "put the names in that order",
                )


def _is_wrong(learned: list[bool], call: ast.Call) -> bool:
    right = [place % 2 == 0 for place in range(len(learned))]
    if learned == right or sum(learned) != sum(right):
        return False  # a test part that is split once more has two names of held-out rows
    size = argument(call, None, "test_size")
    is_small = size is None or (isinstance(size, ast.Constant) and isinstance(size.value, float) and size.value <= 0.5)
    is_exchanged = learned == [not place for place in right]
    return (is_small and argument(call, None, "train_size") is None) if is_exchanged else True


_PROGRAM = """import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

frame = pd.read_csv("rows.csv")
x, y = frame.drop(columns="label"), frame["label"]
{split}
"""
BAD = [
    program(_PROGRAM.format(split="x_train, y_train, x_test, y_test = train_test_split(x, y, random_state=1)  # <- here")),
    program(_PROGRAM.format(split="X_train, X_val, y_val, y_train = train_test_split(x, y, test_size=0.2, random_state=1)  # <- here")),
    program(_PROGRAM.format(split="test, train = train_test_split(frame, test_size=0.2, random_state=1)  # <- here")),
]
GOOD = [
    program(_PROGRAM.format(split="x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=1)")),
    program(_PROGRAM.format(split="train_rows, val_rows = train_test_split(frame, random_state=1)")),
    program(_PROGRAM.format(split="test, train = train_test_split(frame, test_size=0.8, random_state=1)")),
    program(_PROGRAM.format(split="a, b, c, d = train_test_split(x, y, random_state=1)")),
    program(_PROGRAM.format(split="valid, test = train_test_split(frame, test_size=0.5, random_state=1)")),
]
