"""What comes from a config or the command line is data: a loss that is cut off is found although its temperature is a setting."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

PROGRAM = """\
import argparse
import json
from argparse import Namespace

import hydra
import torch
import yaml
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


class Loss(nn.Module):
    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, first, second):
        return F.cross_entropy(first{cut} @ second{cut}.T / self.temperature, torch.arange(len(first)))


def train(loader, criterion):
    network = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for first, second in loader:
        optimizer.zero_grad()
        criterion(network(first), network(second)).backward()
        optimizer.step()


def started(temperature):
    data = torch.utils.data.TensorDataset(torch.randn(100, 4), torch.rand(100, 4))
    train(torch.utils.data.DataLoader(data, batch_size=4, shuffle=True), Loss(temperature))


{start}
"""
PARSER = 'parser = argparse.ArgumentParser()\nparser.add_argument("--t", type=float, default=1.0)\n'
SETTINGS = {
    "an option": PARSER + "started(parser.parse_args().t)",
    "options as a dict": PARSER + 'options = vars(parser.parse_args())\nstarted(options["t"])',
    "known options": PARSER + "options, rest = parser.parse_known_args()\nstarted(options.t)",
    "options handed on": PARSER + "def main(given):\n    started(given.t)\n\n\nmain(parser.parse_args())",
    "a namespace of callers": "def main(given: Namespace):\n    started(given.t)",
    "Hydra's config": "@hydra.main(version_base=None, config_name='c')\ndef main(cfg):\n    started(cfg.loss.t)\n\n\nmain()",
    "a YAML file": 'started(yaml.safe_load(open("a.yaml"))["loss"]["t"])',
    "a JSON file": 'settings = json.load(open("a.json"))\nstarted(settings.get("t"))',
}
UNKNOWN = {
    "what callers give": "def main(given):\n    started(given.t)",
    "a parameter": "started(nn.Parameter(torch.ones(1)))",
}


def found(start: str, cut: str, composer: Composer) -> list[tuple[str, str]]:
    text = PROGRAM.format(start=start, cut=cut)
    return [(finding.rule, finding.severity.value) for finding in run_rules(composer, {"train.py": text}, "TRN104")]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_lets_no_gradient_through(name: str, composer: Composer) -> None:
    assert found(SETTINGS[name], ".detach()", composer) == [("TRN104", "error")]
    assert found(SETTINGS[name], "", composer) == []


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_may_be_learned_says_nothing(name: str, composer: Composer) -> None:
    assert found(UNKNOWN[name], ".detach()", composer) == []
