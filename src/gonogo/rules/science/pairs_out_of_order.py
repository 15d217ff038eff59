"""SCI125."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, Value, is_none, plain, text
from gonogo.analysis.numbers.same import FORM_METHODS, FORMS, stripped
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

_PAIRED = re.compile(r"^(?:scipy\.stats\.(?:ttest_rel|wilcoxon|pearsonr|spearmanr|kendalltau)|pingouin\.(?:ttest|wilcoxon))$")
_SHUFFLED = re.compile(r"^(?:numpy\.random\.permutation|random\.sample|sklearn\.utils\.shuffle|numpy\.random\.choice)$")
_SORTED = re.compile(r"^(?:sorted|numpy\.sort|numpy\.unique)$")
_IN_PLACE = re.compile(r"^(?:random\.shuffle|numpy\.random\.shuffle)$")
_CONVERSIONS = frozenset(name.rpartition(".")[2] for name in FORMS) | FORM_METHODS


@rule("SCI125", "pairs-out-of-order", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("evaluation",))
def pairs_out_of_order(programs: list[Program]) -> Iterator[Violation]:
    """The samples of a paired test are put in an order of their own before it.

    What it does:
        Looks at the samples that the paired tests and correlations of SciPy and Pingouin are given. Speaks where one is sorted by its own
        values, shuffled or drawn anew right before: then the pairs are no longer those that were measured together. Sorting both by what
        pairs them, a seed or a name, is left alone.

    Why it matters:
        A paired test looks at the differences within pairs: sorted by size, samples without any relation look closely paired.

    Instead:
        Put both samples in the order of what pairs them, and leave their own values out of it.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    in_place: dict[Value, Value] = {}
    for event in walked.calls("shuffle", "sort"):
        if _IN_PLACE.match(event.call.name) and event.call.arguments:
            in_place[stripped(event.call.arguments[0])] = event.call
        elif event.call.method == "sort" and event.call.receiver is not None and "key" not in event.call.keywords:
            in_place[stripped(event.call.receiver)] = event.call
    for event in walked.calls("ttest_rel", "wilcoxon", "pearsonr", "spearmanr", "kendalltau", "ttest"):
        given = [entry for entry in event.call.given() if not is_none(entry)][:2]
        if not _PAIRED.match(event.call.name) or len(given) < 2 or event.call.is_open:
            continue
        for sample in given:
            what = _disordered(sample) or in_place.get(stripped(sample))
            if what is not None:
                yield violation(
                    event,
                    f"`{event.call.short}` tests pairs, and one of its samples was put in an order of its own before",
                    "put both samples in the order of what pairs them: the seed, the image, the fold",
                    related=((what, "it is sorted, shuffled or drawn here"),),
                )
                break


def _disordered(value: Value) -> Value | None:
    """What put a sample in an order of its own."""
    for _ in range(8):
        value = plain(value)
        if isinstance(value, Item) and isinstance(plain(value.owner), Call):
            owner = plain(value.owner)
            assert isinstance(owner, Call)
            return owner if owner.method == "sort_values" and text(owner.argument(0, "by")) == text(value.key) is not None else None
        if not isinstance(value, Call):
            return None
        if _SHUFFLED.match(value.name) or (_SORTED.match(value.name) and "key" not in value.keywords and not _is_of_names(value)):
            return value
        if value.method in ("sort_values", "sample") and not value.arguments and "by" not in value.keywords:
            return value
        if value.short not in _CONVERSIONS:
            return None
        inner = value.receiver if value.receiver is not None and not value.name else value.arguments[0] if value.arguments else None
        if inner is None:
            return None
        value = inner
    return None


def _is_of_names(call: Call) -> bool:
    """`sorted(table.items())`: entries in the order of their names."""
    inner = plain(call.arguments[0]) if call.arguments else None
    return isinstance(inner, Call) and inner.method in ("items", "keys")


_PROGRAM = """import json
import numpy as np
from scipy.stats import ttest_rel

ours = json.load(open("ours.json"))
theirs = json.load(open("theirs.json"))
{before}
print(ttest_rel({given})){marker}
"""
BAD = [
    program(_PROGRAM.format(before="", given="sorted(ours), sorted(theirs)", marker="  # <- here")),
    program(_PROGRAM.format(before="", given="ours, np.random.permutation(theirs)", marker="  # <- here")),
]
GOOD = [
    program(_PROGRAM.format(before="", given="ours, theirs", marker="")),
    program(_PROGRAM.format(before="ours = sorted(ours, key=lambda row: row[0])", given="ours, theirs", marker="")),
]
