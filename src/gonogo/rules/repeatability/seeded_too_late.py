"""REP102."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Happening, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Item, Value, plain
from gonogo.analysis.training.first_weights import matters
from gonogo.analysis.training.generators import NUMPY, TORCH, draws, is_fixed, layers_drawn, seeds, states
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("REP102", "seeded-too-late", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def seeded_too_late(programs: list[Program]) -> Iterator[Violation]:
    """A generator is seeded after numbers were drawn: the split or the weights differ between runs.

    What it does:
        Goes through a script in order. Speaks where the first seed of a library's own generator comes after a draw from it: weights
        of layers, a random split, a shuffle, numbers. Weights that are all loaded over, that are on the meta device, or that belong to
        a network which nothing uses, are passed over.

    Why it matters:
        The program looks repeatable and is not: what was drawn before differs each time (PyTorch, "Reproducibility").

    Instead:
        Seed first, before data are split and networks are made.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    order, own = walked.known(Order), walked.contents[0]  # what modules draw as they are imported is mostly loaded over later
    drawn: list[tuple[Happening | Call, str, int, str]] = [
        (draw.at, draw.library, order.place(draw.at), f"`{draw.at.call.short}` draws") for draw in own.gathered(draws)
    ]
    drawn += [(call, TORCH, order.made(call) or 0, "weights are drawn") for call in own.gathered(layers_drawn)]
    for event in walked.calls("train_test_split"):
        if event.call.name.startswith("sklearn.") and states(event.call) is None:
            drawn.append((event, NUMPY, order.place(event), "the rows are split"))
    for library in (NUMPY, TORCH, "random", "TensorFlow"):
        seeding = [seed for seed in walked.gather(seeds) if library in seed.libraries]
        before = [entry for entry in drawn if entry[1] == library]
        if not seeding or not before:
            continue
        first = min(seeding, key=lambda seed: order.place(seed.at))
        conditional = any(isinstance(around, (Branch, Loop)) for around in first.at.around())
        if conditional or not _is_chosen(first.value):
            continue
        before = [entry for entry in before if 0 <= entry[2] < order.place(first.at)]
        early = next((entry for entry in sorted(before, key=lambda entry: entry[2]) if _counts(walked, entry[0])), None)
        if early is not None and not _undone(early[0]):
            yield violation(
                first.at,
                f"the generator of {library} is seeded after numbers were drawn from it: {early[3]} before",
                "seed at the start of the program",
                related=((early[0], "drawn before the seed"),),
            )


def _is_chosen(value: Value | None) -> bool:
    """Whether a seed is written down, or is a setting that is called one."""
    if value is None or is_fixed(value):
        return value is not None
    value = plain(value)
    return isinstance(value, (Attribute, Item)) and "seed" in ast.unparse(value.node).lower()


def _counts(walked: Program, entry: Happening | Call) -> bool:
    """Whether a draw is one that something depends on.

    Weights that are loaded over, or that nothing uses, are none.
    """
    return not isinstance(entry, Call) or matters(walked, entry)


def _undone(entry: Happening | Call) -> bool:
    """Whether a draw is under a condition, so that it may not have happened."""
    return isinstance(entry, Happening) and any(isinstance(around, Branch) for around in entry.around())


PROGRAM = """import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn

{first}
X, y = np.load("x.npy"), np.load("y.npy")
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state={state})
model = nn.Linear(4, 2)
{last}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(100):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(torch.tensor(X_train)), torch.tensor(y_train)).backward()
    optimizer.step()
"""
BAD = [
    program(PROGRAM.format(first="print(1)", state=0, last="torch.manual_seed(0)  # <- here")),
    program(PROGRAM.format(first="torch.manual_seed(0)", state=None, last="np.random.seed(0)  # <- here")),
]
GOOD = [
    program(PROGRAM.format(first="torch.manual_seed(0)", state=0, last="np.random.seed(0)")),
    program(PROGRAM.format(first="torch.manual_seed(0)", state=0, last="torch.manual_seed(1)")),
]
