"""NumPy functions that give a tensor back with its graph, and those that refuse one: PyTorch and NumPy themselves are asked."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from experiments_of_texts import run_rules

from gonogo.analysis.training.gradients import NUMPY_PASSES
from gonogo.compose.client import Composer

torch = pytest.importorskip("torch", reason="torch is not installed: `uv sync --all-packages` installs it")

PASSED = {
    "take_along_axis": "np.take_along_axis(scores, places, axis=1)",
    "squeeze": "np.squeeze(scores)",
    "swapaxes": "np.swapaxes(scores, 0, 1)",
    "real": "np.real(scores)",
    "split": "np.split(scores, 2)[0]",
    "array_split": "np.array_split(scores, 2)[0]",
    "hsplit": "np.hsplit(scores, 2)[0]",
    "vsplit": "np.vsplit(scores, 2)[0]",
}
REFUSED = [
    "np.exp(scores)",
    "np.asarray(scores)",
    "np.stack([scores, scores])",
    "np.clip(scores, 0, 1)",
    "np.reshape(scores, -1)",
    "np.take(scores, [0], 0)",
    "np.einsum('ij->i', scores)",
    "np.array(scores)",
]
PROGRAM = """import numpy as np
import torch
from torch import nn

network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for inputs, places in torch.load("batches.pt"):
    optimizer.zero_grad()
    scores = network(inputs)
    picked = {picked}
    loss = picked.mean()
    loss.backward()
    optimizer.step()
"""


def lines(picked: str, composer: Composer) -> list[int | None]:
    program = PROGRAM.format(picked=picked)
    return [entry.location.line for entry in run_rules(composer, {"train.py": program}, "TRN104")]


def test_the_table_has_an_example_of_each() -> None:
    assert set(PASSED) == set(NUMPY_PASSES)


@pytest.mark.parametrize("picked", PASSED.values())
def test_what_numpy_passes_on_keeps_its_graph(picked: str, composer: Composer) -> None:
    names = {"np": np, "scores": torch.rand(4, 2, requires_grad=True), "places": np.zeros((4, 2), dtype=int)}
    assert eval(picked, names).requires_grad
    assert not lines(picked, composer)


@pytest.mark.parametrize("picked", REFUSED)
def test_what_numpy_computes_has_no_graph(picked: str, composer: Composer) -> None:
    with warnings.catch_warnings(), pytest.raises((RuntimeError, TypeError)):
        warnings.simplefilter("ignore")
        eval(picked, {"np": np, "scores": torch.rand(4, 2, requires_grad=True)})
    assert lines(picked, composer) == [12]
