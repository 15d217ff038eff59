"""Networks that a factory makes, by name or by setting, are followed like any other: what they put out is what all of them put out."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

PROGRAM = """\
import functools
import sys

import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.head = nn.Linear(width, 1)

    def forward(self, inputs):
        return {net}.squeeze(-1)


class Gated(Net):
    def __init__(self, width):
        super().__init__(width)
        self.gate = nn.Linear(width, width)

    def forward(self, inputs):
        return super().forward(inputs * self.gate(inputs))


class Deep(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, inputs):
        return {deep}.squeeze(-1)


TABLE = {{"net": Net, "gated": Gated, "deep": Deep}}


{factory}


class Fitter:
    def __init__(self, name, width):
        self.model = {made}
        self.loss = nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def epoch(self, loader):
        self.model.train()
        for inputs, labels in loader:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()


if __name__ == "__main__":
    data = torch.utils.data.TensorDataset(torch.randn(100, 4), torch.rand(100))
    Fitter(sys.argv[1], 4).epoch(torch.utils.data.DataLoader(data, batch_size=4, shuffle=True))
"""
BY_TABLE = """def build(name, width):
    if name not in TABLE:
        raise KeyError(name)
    return TABLE[name](width)"""
BY_BRANCH = """def build(name, width):
    if name == "net":
        return Net(width)
    elif name == "gated":
        return Gated(width)
    elif name == "deep":
        model = Deep(width)
        return model
    raise ValueError(name)"""
BY_MATCH = """def build(name, width):
    match name:
        case "net":
            return Net(width)
        case _:
            return Deep(width)"""
BY_LAMBDA = 'MAKERS = {"net": lambda width: Net(width), "deep": lambda width: Deep(width)}'
FACTORIES = {
    "a class": ("", "Net(width)"),
    "a table": ("", "TABLE[name](width)"),
    "a table on a device": ("", "TABLE[name](width).to('cpu')"),
    "a table by get": ("", "TABLE.get(name)(width)"),
    "a class from a table": (BY_TABLE.replace("return TABLE[name](width)", "cls = TABLE[name]\n    return cls(width=width)"), "build(name, width)"),
    "a function with a table": (BY_TABLE, "build(name, width)"),
    "a function with branches": (BY_BRANCH, "build(name, width).to('cpu')"),
    "a match": (BY_MATCH, "build(name, width).cpu()"),
    "a condition": ("", "Net(width) if name == 'net' else Deep(width)"),
    "a table of functions": (BY_LAMBDA, "MAKERS[name](width)"),
    "compiled": (BY_BRANCH, "torch.compile(build(name, width))"),
    "in parallel": (BY_TABLE, "nn.DataParallel(build(name, width))"),
}  # fmt: skip
SIGMOID = {"net": "torch.sigmoid(self.head(inputs))", "deep": "self.body(inputs).sigmoid()"}
LOGITS = {"net": "self.head(inputs)", "deep": "self.body(inputs)"}


def found(composer: Composer, factory: tuple[str, str], net: str, deep: str) -> list[tuple[str, str]]:
    text = PROGRAM.format(factory=factory[0], made=factory[1], net=net, deep=deep)
    found = run_rules(composer, {"train.py": text})
    return [(finding.rule, finding.severity.value) for finding in found if finding.rule.startswith("TRN")]


@pytest.mark.parametrize("name", FACTORIES)
def test_what_all_networks_of_a_factory_put_out_is_known(name: str, composer: Composer) -> None:
    assert found(composer, FACTORIES[name], **SIGMOID) == [("TRN107", "error")]
    assert found(composer, FACTORIES[name], **LOGITS) == []


@pytest.mark.parametrize("name", [name for name in FACTORIES if name != "a class"])
def test_networks_that_put_out_different_things_say_nothing(name: str, composer: Composer) -> None:
    assert found(composer, FACTORIES[name], net=SIGMOID["net"], deep=LOGITS["deep"]) == []


def test_a_table_that_others_may_add_to_is_not_known(composer: Composer) -> None:
    added = "TABLE[sys.argv[2]] = getattr(torch.nn, sys.argv[3])"
    assert found(composer, (added, "TABLE[name](width)"), **SIGMOID) == []
