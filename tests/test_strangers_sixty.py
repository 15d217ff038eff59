"""What was reported of sixty further projects and is right, or means nothing: each kind in several forms, and the mistake beside it."""

from __future__ import annotations

import json

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer
from gonogo.model.finding import Severity

# -- methods that nobody calls -----------------------------------------------------------------------------------------------

CLASS = """import jax
import jax.numpy as jnp
import numpy as np


def chosen(table, index):
    found = {{}}
    for name, column in table.items():
        if isinstance(column, dict):
            part = chosen(column, index)
        elif isinstance(column, np.ndarray):
            part = column[index]
        found[name] = part
    return found


class Rows{bases}:
    def __init__(self, table):
        self.table = table

    def sample(self, size, keys=None):
        if not hasattr(self, "rng"):
            self.rng = jax.random.PRNGKey(0)
            if keys is None:
                keys = self.table.keys()
            on_device = jax.device_put({{key: self.table[key] for key in keys}})

            @jax.jit
            def draw(rng):
                key, rng = jax.random.split(rng)
                index = jax.random.randint(key, (size,), minval=0, maxval=len(self))
                return rng, jax.tree_map(lambda column: jnp.take(column, index, axis=0), on_device)

            self.draw = draw
        self.rng, sample = self.draw(self.rng)
        return sample

    def returns(self):
        found, total = [], 0
        for place in range(len(self)):
            total += self.table["rewards"][place]
            if self.table["dones"][place]:
                found.append(total)
                total = 0.0
        return found

{first}
{second}
"""
SPLIT = """    def split(self, ratio):
        index = np.arange(len(self), dtype=np.int32)
        np.random.shuffle(index)
        train_index, test_index = index[: int(len(self) * ratio)], index[int(len(self) * ratio) :]
        return Rows(chosen(self.table, train_index)), Rows(chosen(self.table, test_index))
"""
NORMALISED = [
    'self.table["rewards"] = self.table["rewards"] / self.table["rewards"].std()',
    'self.table["rewards"] /= np.max(self.table["rewards"]) - np.min(self.table["rewards"])',
    'self.table["rewards"] = (self.table["rewards"] - self.table["rewards"].mean()) / self.table["rewards"].std()',
    'rewards = self.table["rewards"]\n        self.table["rewards"] = (rewards - np.mean(rewards)) / (np.std(rewards) + 1e-8)',
    'found = self.returns()\n        self.table["rewards"] /= np.max(found) - np.min(found)',
    'self.table = {**self.table, "rewards": self.table["rewards"] / np.max(self.table["rewards"])}',
]


def _rows(line: str, before: bool, bases: str = "") -> str:
    normalise = f"    def normalise(self):\n        {line}\n"
    first, second = (normalise, SPLIT) if before else (SPLIT, normalise)
    return CLASS.format(first=first, second=second, bases=bases)


@pytest.mark.parametrize("bases", ["", "(dict)"])
@pytest.mark.parametrize("line", NORMALISED)
def test_a_method_below_that_nobody_calls_may_come_later(line: str, bases: str, composer: Composer) -> None:
    assert not run_rules(composer, {"rows.py": _rows(line, before=False, bases=bases)}, "LEK104")


@pytest.mark.parametrize("line", NORMALISED[:3])
def test_a_method_above_comes_before(line: str, composer: Composer) -> None:
    assert run_rules(composer, {"rows.py": _rows(line, before=True)}, "LEK104")


# -- cells that are only shown -------------------------------------------------------------------------------------------------


def _notebook(*cells: tuple[str, int | None]) -> str:
    made = [
        {"cell_type": "code", "execution_count": count, "metadata": {}, "outputs": [], "source": source.splitlines(keepends=True)}
        for source, count in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


SHOWN = [
    "model.add(layers.Dropout(0.5))",
    "np.mean(np.abs(preds - targets))",
    "z = z_mean + exp(z_log_variance) * epsilon",
    "outputs = encoder(inputs)",
    "for epoch in range(epochs):\n    loss = step(batch)",
    "with tape as t:\n    loss = t.loss()",
    "def loss(y):\n    return criterion(y)",
    "print(f'{accuracy:.3f}')",
    "x = [row for row in rows]",
    "del model",
]


@pytest.mark.parametrize("source", SHOWN)
def test_a_cell_that_was_not_run_among_others_that_were_may_only_show_something(source: str, composer: Composer) -> None:
    around = [("import math", 1), ("a = math.pi", 2)], [("print(a)", 3)]
    shown = run_rules(composer, {"a.ipynb": _notebook(*around[0], (source, None), *around[1])}, "IMP104")
    assert {finding.severity for finding in shown} <= {Severity.WARNING}
    run = run_rules(composer, {"a.ipynb": _notebook(*around[0], (source, 3), *around[1])}, "IMP104")
    assert {finding.severity for finding in run} <= {Severity.ERROR}
    assert len(run) == len(shown)


@pytest.mark.parametrize(
    "cells",
    [
        [("import math", None), ("print(maths.pi)", None), ("a = 1", None)],  # cleared
        [("import math", 1), ("a = 1", 2), ("print(maths.pi)", None)],  # the last one: not run yet
        [("import math", 1), ("print(maths.pi)", None), ("a = 1", None), ("b = 1", None), ("c = 1", 2)],  # most were not run
        [("print(maths.pi)", None), ("import math", 1), ("a = 1", 2)],  # the first one
    ],
)
def test_a_cell_of_a_notebook_that_was_not_run_is_a_cell_like_others(cells: list[tuple[str, int | None]], composer: Composer) -> None:
    assert [finding.severity for finding in run_rules(composer, {"a.ipynb": _notebook(*cells)}, "IMP104")] == [Severity.ERROR]


# -- terms of a loss that are plain numbers ------------------------------------------------------------------------------------

TERM = """import torch
from torch import nn
import torch.nn.functional as F

G = nn.Linear(4, 4)
optimizer = torch.optim.Adam(G.parameters(), 1e-3)
weight = 10.0


def gap(a, b):
    return (a - b).abs().mean()


for x, c in torch.load("batches.pt"):
    fake = G(x)
    first = -torch.mean(fake)
    {term}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
NUMBERS = [
    "rec = torch.mean(torch.abs(x - G(fake))).item()\n    loss = first + weight * rec",
    "rec = (x - G(fake)).pow(2).mean().item()\n    loss = first + 10 * rec",
    "loss = first + weight * gap(x, fake).item()",
    "rec = gap(x, G(fake))\n    loss = first + rec.item() * weight",
    "rec = ((fake - x) ** 2).sum().item()\n    loss = rec * 0.5 + first",
    "loss = first\n    loss = loss + weight * torch.mean(torch.abs(fake - x)).item()",
]
RIGHT = [
    "rec = torch.mean(torch.abs(x - G(fake)))\n    loss = first + weight * rec",
    "rec = gap(x, fake)\n    print(rec.item())\n    loss = first + weight * rec",
    "hard = (fake > 0).float().mean()\n    loss = first + 1.0 * (hard - first).detach()",
    "loss = first + 1.0 * (torch.ones(()) - first).item()",
]


@pytest.mark.parametrize("term", NUMBERS)
def test_a_distance_that_is_a_number_teaches_nothing(term: str, composer: Composer) -> None:
    assert run_rules(composer, {"train.py": TERM.format(term=term)}, "TRN142")


@pytest.mark.parametrize("term", RIGHT)
def test_a_distance_with_its_gradient_and_a_correction_are_right(term: str, composer: Composer) -> None:
    assert not run_rules(composer, {"train.py": TERM.format(term=term)}, "TRN142")
