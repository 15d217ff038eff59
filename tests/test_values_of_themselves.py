"""What a loop makes of itself, in every way that somebody wraps something: no rule goes round in circles."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of, run_rules

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

PROGRAM = """import copy
import itertools
from copy import deepcopy

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm


def train(network, batches, {names}):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    while True:
        if {names}:
            batches = {batches}
        for inputs, labels in batches:
            if labels is None:
                network = {network}
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
            print(network.weight, batches.sampler)


train(nn.Linear(4, 2), DataLoader(torch.load("data.pt"), batch_size=8, shuffle=True), True)
"""
BATCHES = [
    "tqdm(batches)",
    "tqdm(list(batches))",
    "tqdm(tqdm(batches))",
    "enumerate(batches)",
    "zip(batches, batches)",
    "itertools.chain(batches, batches)",
    "itertools.islice(batches, 3)",
    "reversed(sorted(batches))",
    "deepcopy(batches)",
    "batches[1:]",
    "[batch for batch in batches]",
    "tqdm(batches) if names else iter(batches)",
    "dict(batches).items()",
    "batches or tqdm(batches)",
]
NETWORKS = [
    "deepcopy(network)",
    "copy.deepcopy(network)",
    "copy.deepcopy(copy.copy(network))",
    "network.to('cuda')",
    "nn.DataParallel(network)",
    "nn.Sequential(network)",
    "network.module",
    "deepcopy(network.cpu()).train()",
    "deepcopy(network) if names else network.eval()",
    "[deepcopy(network)][0]",
]


@pytest.mark.parametrize("batches", BATCHES)
def test_batches_that_are_made_of_themselves(batches: str, composer: Composer) -> None:
    text = PROGRAM.format(names="names", batches=batches, network="network")
    assert not check(experiment_of({"train.py": text}), CheckOptions(), composer).undecided


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_that_are_made_of_themselves(network: str, composer: Composer) -> None:
    text = PROGRAM.format(names="names", batches="tqdm(batches)", network=network)
    assert not check(experiment_of({"train.py": text}), CheckOptions(), composer).undecided


COPIED = """import copy

import torch
from torch import nn

network = nn.Linear(4, 2)
for _ in range(3):
    network = copy.deepcopy(network)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for inputs, labels in torch.load("batches.pt"):
    nn.functional.cross_entropy(network(inputs), labels).backward()
    optimizer.step()
"""


def test_a_copy_of_itself_is_what_it_was(composer: Composer) -> None:
    assert [entry.location.line for entry in run_rules(composer, {"train.py": COPIED}, "TRN101")] == [12]
