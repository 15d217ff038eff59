"""SCI130."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Choice, Display, Operation, Repeated, Value, number, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

_TESTS = words(
    """
    ttest_rel ttest_ind ttest_1samp wilcoxon mannwhitneyu binomtest fisher_exact chi2_contingency ks_2samp f_oneway kruskal
    permutation_test
    """
)
# What leaves each observation as it is: the rows of an image that a model is given, repeated for its channels, are no observations.
_KEEPS = words("array asarray tensor list tuple zip sorted count float numpy tolist cpu concatenate hstack flatten ravel")
_REPEATS = re.compile(r"^(?:numpy|torch)\.(?:repeat|tile|repeat_interleave)$")


@rule("SCI130", "observations-repeated", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def observations_repeated(programs: list[Program]) -> Iterator[Violation]:
    """A significance test counts each observation several times.

    What it does:
        Follows what tests of `scipy.stats` are given back to what it was made of. Speaks where a list, or an array through `np.repeat` or
        `np.tile`, is taken a number of times that is written in the code and larger than one. Silent about lists of one entry, which
        stand for a constant.

    Why it matters:
        Ten copies of the same pair are one observation. With each copy the p-value falls, and nothing more has been measured.

    Instead:
        Give the test each observation once.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for event in walked.calls(*_TESTS):
        if not event.call.name.startswith("scipy.stats."):
            continue
        for given in event.call.given():
            repeated = next((value for value in ancestry(given, _keeps_each) if _is_repeated(value)), None)
            if repeated is not None:
                yield violation(
                    event,
                    f"`{event.call.short}` is given each observation several times: its p-value is too small",
                    "give it each observation once",
                    related=((repeated, "they are repeated here"),),
                )
                break


def _keeps_each(value: Value) -> bool:
    """Return whether the observations that a value is made of are still its entries."""
    if isinstance(value, Call):
        return value.short in _KEEPS
    if isinstance(value, Operation):
        return value.operator in ("+", "-")
    return isinstance(value, (Display, Choice, Attribute)) or plain(value) is not value


def _is_repeated(value: Value) -> bool:
    value = plain(value)
    if isinstance(value, Operation) and value.operator == "*":
        times = [found for operand in value.operands if (found := number(operand)) is not None]
        lists = [operand for operand in map(base, value.operands) if _is_list(operand)]
        return len(times) == 1 and times[0] > 1 and times[0] == int(times[0]) and len(lists) == 1
    if isinstance(value, Call) and _REPEATS.match(value.name):
        times_given = value.argument(1, "repeats", "reps")
        times_number = number(times_given) if times_given is not None else None
        return times_number is not None and times_number > 1 and not _is_constant(value)
    return False


def _is_list(value: Value) -> bool:
    if isinstance(value, Display):
        return value.kind == "list" and len(value.items) > 1
    return isinstance(value, Repeated) or (isinstance(value, Call) and value.name in ("list", "sorted"))


def _is_constant(call: Call) -> bool:
    return bool(call.arguments) and number(call.arguments[0]) is not None


PROGRAM = """import numpy as np
from scipy.stats import binomtest, ttest_rel

ours, theirs = [0.8, 0.7, 0.9], [0.7, 0.6, 0.8]
{made}
{test}
"""
BAD = [
    program(
        PROGRAM.format(made="pairs = list(zip(ours, theirs)) * 10", test="print(binomtest(pairs.count((1, 0)), 30).pvalue)  # <- here")
    ),
    program(PROGRAM.format(made="one, other = np.tile(ours, 5), np.tile(theirs, 5)", test="print(ttest_rel(one, other))  # <- here")),
    program(PROGRAM.format(made="one = [x for x in ours] * 3", test="print(ttest_rel(one, theirs * 3))  # <- here")),
]
GOOD = [
    program(PROGRAM.format(made="pairs = list(zip(ours, theirs))", test="print(binomtest(pairs.count((1, 0)), 3).pvalue * 10)")),
    program(PROGRAM.format(made="one = np.array(ours) * 100", test="print(ttest_rel(one, 100 * np.array(theirs)))")),
    program(PROGRAM.format(made="one = [score(np.repeat(x, 3)) for x in ours]", test="print(ttest_rel(one, theirs))")),
    program(PROGRAM.format(made="chance = np.repeat(0.1, 3)", test="print(ttest_rel(ours, chance))")),
]
