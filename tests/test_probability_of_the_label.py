"""`nll_loss` of probabilities that picks out the probability of each label, and the same as a loss."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

PROGRAM = """import torch
import torch.nn.functional as F
from torch import nn

network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
picks = nn.NLLLoss(reduction="none")
for inputs, labels in torch.load("batches.pt"):
    optimizer.zero_grad()
    probs = torch.softmax(network(inputs), dim=1)
    {made}
    loss.backward()
    optimizer.step()
"""
PICKED = [
    "picked = -F.nll_loss(probs, labels, reduction='none')\n    loss = -picked.log().mean()",
    "picked = -F.nll_loss(probs, labels, reduce=False)\n    loss = -picked.log().mean()",
    "picked = -picks(probs, labels)\n    loss = -picked.log().mean()",
    "picked = F.nll_loss(probs, labels, reduction='none')\n    loss = -(-picked).log().mean()",
    "loss = 1 + F.nll_loss(probs, labels)",
    "loss = (F.nll_loss(probs, labels) + 1.0)",
    "loss = 1 - (-F.nll_loss(probs, labels))",
    "confidence = -F.nll_loss(probs, labels)\n    loss = 1 - confidence",
    "loss = (1 - (-F.nll_loss(probs, labels, reduction='none')) ** 0.7).mean() / 0.7",
    "def of_label(p, y):\n        return -F.nll_loss(p, y, reduction='none')\n    loss = -of_label(probs, labels).log().sum()",
]
LOSSES = [
    "loss = F.nll_loss(probs, labels)",
    "loss = 0.5 * F.nll_loss(probs, labels)",
    "loss = F.nll_loss(probs, labels, reduction='mean')",
    "loss = F.nll_loss(probs, labels, reduction='sum')",
    "loss = nn.NLLLoss()(probs, labels) + network.weight.norm()",
]


@pytest.mark.parametrize("made", PICKED)
def test_the_probability_of_the_label_may_be_meant(made: str, composer: Composer) -> None:
    assert not run_rules(composer, {"train.py": PROGRAM.format(made=made)}, "TRN107")


@pytest.mark.parametrize("made", LOSSES)
def test_a_likelihood_is_taken_of_logarithms(made: str, composer: Composer) -> None:
    assert run_rules(composer, {"train.py": PROGRAM.format(made=made)}, "TRN107")
