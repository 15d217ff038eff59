"""TRN106 where a loss or a score takes a part of what a network gives: the rows of a mask, the last step, some of the classes."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

PROGRAM = """import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.two(F.dropout(F.relu(self.one(x)), p=0.5, training=self.training))


class Trainer:
    def __init__(self, x, y, seen, held):
        self.x, self.y, self.seen, self.held = x, y, seen, held
        self.model = Net()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)

    def step(self):
        self.model.train()
        self.optimizer.zero_grad()
        out = self.model(self.x)
        F.cross_entropy({part}, {labels}).backward()
        self.optimizer.step()

    @torch.no_grad()
    def accuracy(self):
        {switch}
        out = self.model(self.x).argmax(dim=-1)
        return (out[self.held] == self.y[self.held]).float().mean().item()

    def fit(self):
        for epoch in range(10):
            self.step()
            print(self.accuracy())


torch.manual_seed(0)
x, y = torch.randn(20, 4), torch.randint(2, (20,))
mask = torch.arange(20) < 10
Trainer(x, y, mask, ~mask).fit()
"""
PARTS = {
    "a mask of the object": ("out[self.seen]", "self.y[self.seen]"),
    "a slice": ("out[:10]", "self.y[:10]"),
    "a slice and all classes": ("out[:10, :]", "self.y[:10]"),
    "a mask that is computed": ("out[self.y >= 0]", "self.y[self.y >= 0]"),
    "places": ("out[torch.arange(10)]", "self.y[torch.arange(10)]"),
    "a list of places": ("out[[0, 1, 2]]", "self.y[[0, 1, 2]]"),
    "negated": ("out[~self.held]", "self.y[~self.held]"),
    "a slice of a slice": ("out[:15][2:10]", "self.y[:15][2:10]"),
    "another view": ("out[None].squeeze(0)", "self.y"),
    "all of it": ("out[...]", "self.y"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_network_that_learns_from_a_part_of_its_output_is_followed(name: str, composer: Composer) -> None:
    part, labels = PARTS[name]
    text = PROGRAM.format(part=part, labels=labels, switch="pass")
    assert [str(each.location) for each in run_rules(composer, {"train.py": text}, "TRN106")] == ["train.py:31"]
    text = PROGRAM.format(part=part, labels=labels, switch="self.model.eval()")
    assert run_rules(composer, {"train.py": text}, "TRN106") == []
