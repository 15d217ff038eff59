"""SCI144."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

TESTS = frozenset({"scipy.stats.ttest_ind", "scipy.stats.mannwhitneyu", "scipy.stats.ranksums"})
FOLDS = re.compile(r"^(?:\w*_)?(?:folds?|splits?|cv|kf|skf|kfold|splitter|rkf|rskf)$", re.I)


@rule("SCI144", "paired-as-unpaired", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def paired_as_unpaired(modules: dict[str, Module]) -> Iterator[Violation]:
    """Scores of two methods on the same folds are compared by a test for independent samples.

    What it does:
        Looks at `ttest_ind`, `mannwhitneyu` and `ranksums`. Speaks where both samples are filled side by side in one loop over folds, or
        come of two calls of one function that are given the same folds.

    Why it matters:
        Folds differ more than methods do. A test that does not pair them takes that for noise and misses what is there (Demšar,
        Statistical comparisons of classifiers over multiple data sets, 2006; Nadeau and Bengio, 2003).

    Instead:
        Use a paired test, such as `wilcoxon` or `ttest_rel`, corrected for overlapping folds.
    """
    for module in modules.values():
        for call in module.of(ast.Call):
            if origin(module, call.func) not in TESTS or len(call.args) < 2:
                continue
            one, other = call.args[:2]
            if not (isinstance(one, ast.Name) and isinstance(other, ast.Name)) or one.id == other.id:
                continue
            shared = _side_by_side(module, call, one.id, other.id) or _same_folds(module, call, one.id, other.id)
            if shared is not None:
                yield Violation(
                    module.location(call),
                    "both samples are of the same folds, and this test takes them for independent",
                    "use a paired test, such as `wilcoxon`",
                    related=(Related(location=module.location(shared), label="the folds are shared here"),),
                )


def _side_by_side(module: Module, call: ast.Call, one: str, other: str) -> ast.AST | None:
    """The loop over folds in whose body a score is appended to each of two lists."""
    home = enclosing_function(module, call)
    for loop in module.of(ast.For):
        if enclosing_function(module, loop) is not home or not _is_over_folds(loop):
            continue
        kept = [
            last_name(entry.value.func.value)
            for entry in loop.body
            if isinstance(entry, ast.Expr)
            and isinstance(entry.value, ast.Call)
            and isinstance(entry.value.func, ast.Attribute)
            and entry.value.func.attr == "append"
        ]
        if kept.count(one) == 1 and kept.count(other) == 1:
            return loop
    return None


def _is_over_folds(loop: ast.For) -> bool:
    over = loop.iter
    if isinstance(over, ast.Call) and last_name(over.func) == "enumerate" and over.args:
        over = over.args[0]
    if isinstance(over, ast.Call):
        return last_name(over.func) == "split" and isinstance(over.func, ast.Attribute) and len(over.args) > 1
    return FOLDS.match(last_name(over)) is not None


def _same_folds(module: Module, call: ast.Call, one: str, other: str) -> ast.AST | None:
    """The second of two calls of one function, each the only thing a name is set to.

    That are given the same folds.
    """
    home = enclosing_function(module, call)
    made = []
    for name in (one, other):
        values = [
            entry.value
            for entry in module.of(ast.Assign)
            if enclosing_function(module, entry) is home
            and any(isinstance(target, ast.Name) and target.id == name for target in entry.targets)
        ]
        if len(values) != 1 or not isinstance(values[0], ast.Call):
            return None
        made.append(values[0])
    first, second = made
    if ast.unparse(first.func) != ast.unparse(second.func) or any(isinstance(parent, ast.For) for parent in ancestors(module, first)):
        return None
    shared = {_folds(entry) for entry in (*first.args, *first.keywords)} & {_folds(entry) for entry in (*second.args, *second.keywords)}
    return second if shared - {""} else None


def _folds(given: ast.AST) -> str:
    """The folds that an argument is, as they are written; empty for anything else."""
    value = given.value if isinstance(given, ast.keyword) else given
    is_number = isinstance(given, ast.keyword) and given.arg == "cv" and isinstance(value, ast.Constant)
    return ast.unparse(value) if is_number or (isinstance(value, ast.Name) and FOLDS.match(value.id)) else ""


PROGRAM = """from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.svm import SVC

rows, labels = load_digits(return_X_y=True)
folds = KFold(10, shuffle=True, random_state=0)
{made}
print(stats.{test}(ours, theirs)){marker}
"""
CALLS = "ours = cross_val_score(SVC(), rows, labels, cv=folds)\ntheirs = cross_val_score(LogisticRegression(), rows, labels, cv={other})"
LOOP = (
    "ours, theirs = [], []\nfor train, test in folds.split(rows, labels):\n"
    "    ours.append(SVC().fit(rows[train], labels[train]).score(rows[test], labels[test]))\n"
    "    theirs.append(LogisticRegression().fit(rows[train], labels[train]).score(rows[test], labels[test]))"
)
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(made=CALLS.format(other="folds"), test="ttest_ind", marker=HERE)),
    program(PROGRAM.format(made=LOOP, test="mannwhitneyu", marker=HERE)),
]
GOOD = [
    program(PROGRAM.format(made=CALLS.format(other="folds"), test="ttest_rel", marker="")),
    program(PROGRAM.format(made=LOOP, test="wilcoxon", marker="")),
    program(PROGRAM.format(made=CALLS.format(other="KFold(5)"), test="ttest_ind", marker="")),
]
