"""SCI106."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Choice, Display, Turn, Value, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.generators import seeds
from gonogo.analysis.training.repeats import goes_on_training
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

AVERAGES = (
    "mean",
    "std",
    "fmean",
    "stdev",
    "median",
    "boxplot",
    "errorbar",
    "ttest_rel",
    "bootstrap",
    "sum",
    "DataFrame",
    "describe",
    "sem",
)
STATES = ("random_state", "seed", "random_seed")


@rule("SCI106", "best-seed-reported", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def best_seed_reported(programs: list[Program]) -> Iterator[Violation]:
    """An experiment is repeated with several seeds, and the best of them is kept as the result.

    What it does:
        Looks at loops that seed generators, or give a `random_state`, with a number that changes with the turn. Speaks where the
        maximum or minimum of what they collected is taken, or a score is compared with the best so far, and no mean is.

    Why it matters:
        The best of n runs grows with n though the method stays the same; a comparison of best runs compares patience (Reimers and
        Gurevych, Reporting score distributions makes a difference, 2017; Henderson et al., Deep reinforcement learning that matters,
        2018; Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, 2021).

    Instead:
        Report mean and spread over all seeds; choose a model to ship by a validation part.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    loops = _seed_loops(walked)
    if not loops:
        return
    averaged = {base(entry) for event in walked.calls(*AVERAGES) for entry in _given(event.call)}
    collected = {
        base(event.call.receiver): loop
        for event in walked.calls("append")
        for loop in loops
        if event.call.receiver is not None and next((entry for entry in event.around() if isinstance(entry, Loop)), None) is loop
    }
    comprehensions = {loop.node: loop for loop in loops if loop.kind == "comprehension"}
    for event in walked.calls("max", "min", "amax", "amin"):
        given = event.call.arguments[0] if event.call.arguments and event.call.name else event.call.receiver
        listed = base(given) if given is not None else None
        loop = (collected.get(listed) or comprehensions.get(listed.node)) if listed is not None and listed not in averaged else None
        if loop is not None:
            yield _violation(event.call, loop)
    for branch in walked.all(Branch):
        sides = branch.compared()
        own = next((entry for entry in branch.around() if isinstance(entry, Loop)), None)
        if branch.test is not None and own in loops and own is not None and not goes_on_training(walked, own):
            is_best = any(isinstance(entry, Turn) for entry in sides)
            if is_best and any(_is_scored(entry) for entry in sides):
                yield _violation(plain(branch.test), own)


def _violation(at: Value, loop: Loop) -> Violation:
    return violation(
        at,
        "the best of several seeds is kept as the result",
        "report mean and spread over all seeds",
        sure=False,
        related=((loop, "the experiment is repeated here"),),
    )


def _given(call: Call) -> Iterator[Value]:
    """What is averaged, behind what makes an array of it."""
    for value in (*call.arguments, *([call.receiver] if call.receiver is not None else [])):
        yield from list(ancestry(value))[:20]


def _is_scored(value: Value) -> bool:
    """Whether a value was computed by a call, not kept from an earlier turn."""
    return not isinstance(value, Choice) and any(isinstance(entry, Call) for entry in list(ancestry(value))[:20])


def _turns_by(loop: Loop, value: Value) -> bool:
    """Whether a value changes with the turn of a loop: it is made of what the loop goes through."""
    entries: set[Value] = {loop.bound} if loop.bound is not None else set()
    iterated = plain(loop.iterated) if loop.iterated is not None else None
    if len(loop.turns) > 1 and isinstance(iterated, Display):
        entries |= set(iterated.items)
    return any(entry in entries for entry in ancestry(value))


def _seed_loops(walked: Program) -> list[Loop]:
    """Loops whose turns differ in the seed."""
    found: dict[Loop, None] = {}
    given = [(seed.at, seed.value) for seed in walked.gather(seeds) if seed.value is not None]
    for event in walked.calls():
        given += [(event, event.call.keywords[name]) for name in STATES if name in event.call.keywords]
    for at, value in given:
        for loop in at.around():
            if isinstance(loop, Loop) and loop.kind in ("for", "comprehension") and _turns_by(loop, value):
                found[loop] = None
    return list(found)


PROGRAM = """import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scores = []
for seed in range(20):
    model = MLPClassifier(random_state=seed).fit(X_train, y_train)
    scores.append(model.score(X_test, y_test))
print({result}){marker}
"""
BAD = program(PROGRAM.format(result="max(scores)", marker="  # <- here"))
GOOD = program(PROGRAM.format(result="np.mean(scores), np.std(scores), max(scores)", marker=""))
