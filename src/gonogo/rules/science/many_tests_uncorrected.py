"""SCI107."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Item, Operation, Value, number
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.uses import ancestry, operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

TESTS = (
    "ttest_ind", "ttest_rel", "wilcoxon", "mannwhitneyu", "ks_2samp", "ranksums", "ttest_1samp", "chi2_contingency", "pearsonr",
    "spearmanr",     "permutation_test", "binomtest", "mcnemar",
)  # fmt: skip
CORRECTED = re.compile(
    r"bonferroni|holm|fdr|multipletests|benjamini|hochberg|false_discovery|tukey|dunnett|sidak|correct|adjust|nemenyi", re.IGNORECASE
)
LEVELS = (0.05, 0.01, 0.1, 0.001)
MANY = 3


@rule("SCI107", "many-tests-uncorrected", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def many_tests_uncorrected(programs: list[Program]) -> Iterator[Violation]:
    """Several significance tests use the same level, with no correction for their number.

    What it does:
        Speaks where a test of `scipy.stats` stands in a loop, or three or more are made, their p-values are compared with 0.05, 0.01
        or the like, and nothing in the file speaks of a correction. A correlation that is used without its p-value is no test.

    Why it matters:
        Of twenty tests of methods that do not differ, one finds a difference at 0.05 (Demšar, Statistical comparisons of classifiers
        over multiple data sets, 2006; Benjamini and Hochberg, Controlling the false discovery rate, 1995).

    Instead:
        Correct the p-values: `scipy.stats.false_discovery_control`, or `statsmodels.stats.multitest.multipletests(method="holm")`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    tests = [event for event in walked.calls(*TESTS) if event.call.name.startswith(("scipy.stats.", "statsmodels."))]
    looped = [event for event in tests if any(isinstance(around, Loop) and _is_over_many(around) for around in event.around())]
    if not looped and len({id(event.node) for event in tests}) < MANY:
        return
    for event in (looped or tests)[:1]:
        if CORRECTED.search(event.module.text):
            continue
        levels = [operation for operation in walked.known(operations) if _is_level(operation) and _is_of(operation, looped or tests)]
        if levels and (looped or len(levels) >= MANY):
            yield violation(
                event,
                "several tests are each held against the same level, with no correction for their number",
                "correct the p-values, by Holm or Benjamini and Hochberg",
                sure=False,
                related=((levels[0], "the p-value is held against the level here"),),
            )


def _is_over_many(loop: Loop) -> bool:
    """Whether a loop goes through more than two things."""
    return not (isinstance(loop.node, ast.For) and isinstance(loop.node.iter, (ast.List, ast.Tuple)) and len(loop.node.iter.elts) < MANY)


def _is_level(operation: Operation) -> bool:
    return operation.operator in ("<", "<=", ">", ">=") and any(number(entry) in LEVELS for entry in operation.operands)


def _is_of(operation: Operation, tests: list[Event]) -> bool:
    made: set[Value] = {event.call for event in tests}
    return any(entry in made for entry in ancestry(operation, lambda value: not _is_statistic(value, made)))


def _is_statistic(value: Value, made: set[Value]) -> bool:
    """Return whether a value is what a test returns besides its p-value.

    Examples: `spearmanr(a, b).correlation`, `pearsonr(a, b)[0]`.
    """
    if isinstance(value, Attribute):
        return base(value.owner) in made and not value.name.startswith("p")
    return isinstance(value, Item) and base(value.owner) in made and number(value.key) == 0


PROGRAM = """import numpy as np
from scipy import stats

baseline = np.load("baseline.npy")
values = []
for name in ("a", "b", "c", "d", "e", "f", "g", "h"):
    result = stats.ttest_rel(np.load(f"{{name}}.npy"), baseline){marker}
    values.append(result.pvalue)
    {judge}
print({last})
"""
BAD = program(PROGRAM.format(marker="  # <- here", judge='print(name, "better" if result.pvalue < 0.05 else "no better")', last="values"))
GOOD = program(PROGRAM.format(marker="", judge="print(name)", last="stats.false_discovery_control(values) < 0.05"))
