"""Networks that are registered by hand, and functions that are called by PyTorch: each kind in several forms, and the mistake beside it."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer


def lines(composer: Composer, rule: str, text: str) -> list[int | None]:
    return [entry.location.line for entry in run_rules(composer, {"train.py": text}, rule)]


# -- what is called by PyTorch ---------------------------------------------------------------------------------------------

CALLED = """import functools

import torch
from torch import nn
from torch.utils import checkpoint as ckpt
from torch.utils.checkpoint import checkpoint, checkpoint_sequential


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.layers = nn.Sequential(self.layer, nn.ReLU())

    def inner(self, x):
        return self.layer(x)

    def forward(self, x):
        {forward}


network = Network()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for inputs in torch.load("batches.pt"):
    optimizer.zero_grad()
    loss = network(inputs).mean()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "forward",
    [
        "return checkpoint(self.inner, x, use_reentrant=False)",
        "return ckpt.checkpoint(self.inner, x)",
        "return torch.utils.checkpoint.checkpoint(self.inner, x)",
        "return checkpoint(self.layer, x)",
        "return checkpoint(lambda y: self.layer(y), x)",
        "return checkpoint(function=self.inner, input=x)",
        "return checkpoint_sequential(self.layers, 2, x)",
        "return torch.vmap(self.inner)(x)",
        "return torch.func.functional_call(self.layer, dict(self.layer.named_parameters()), (x,))",
        "return checkpoint(functools.partial(self.inner), x)",
        "def run(y):\n            return self.layer(y)\n\n        return checkpoint(run, x)",
        "return torch.compile(self.inner)(x)",
    ],
)
def test_what_pytorch_calls_may_have_parameters(forward: str, composer: Composer) -> None:
    assert not lines(composer, "TRN104", CALLED.format(forward=forward))


@pytest.mark.parametrize(
    "forward",
    ["return self.inner(x).detach()", "return checkpoint(self.inner, x).detach()", "return torch.tensor(self.inner(x).tolist())"],
)
def test_what_is_cut_off_is_found(forward: str, composer: Composer) -> None:
    assert lines(composer, "TRN104", CALLED.format(forward=forward)) == [27]


# -- networks that are registered by hand ----------------------------------------------------------------------------------

REGISTERED = """import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        return x @ self.weight


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.layers = [Layer() for _ in range(3)]
        {registered}

    def forward(self, x):
        return torch.cat([layer(self.first(x)) for layer in self.layers], dim=1)


network = Network()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for inputs in torch.load("batches.pt"):
    optimizer.zero_grad()
    loss = network(inputs).mean()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "registered",
    [
        "for i, layer in enumerate(self.layers): self.add_module(f'layer_{i}', layer)",
        "for i in range(3): self.add_module('layer_{}'.format(i), self.layers[i])",
        "for layer in self.layers: self.register_module(str(id(layer)), layer)",
        "[self.add_module(str(i), layer) for i, layer in enumerate(self.layers)]",
        "for i, layer in enumerate(self.layers): setattr(self, f'layer_{i}', layer)",
        "for i, layer in enumerate(self.layers): self.__setattr__(f'layer_{i}', layer)",
        "self.add_module('a', self.layers[0]); self.add_module('b', self.layers[1]); self.add_module('c', self.layers[2])",
        "self.all = nn.ModuleList(self.layers)",
        "self.all = nn.Sequential(*self.layers)",
        "for layer in self.layers: self.add_module(name=str(id(layer)), module=layer)",
    ],
)
def test_layers_that_are_registered_by_hand_are_trained(registered: str, composer: Composer) -> None:
    text = REGISTERED.format(registered=registered) if "{" not in registered else REGISTERED.replace("{registered}", registered)
    assert not lines(composer, "TRN114", text)
    assert not lines(composer, "TRN115", text)


@pytest.mark.parametrize("registered", ["pass", "self.register_buffer('a', torch.zeros(3))", "print(self.layers)"])
def test_layers_in_a_list_are_found(registered: str, composer: Composer) -> None:
    assert lines(composer, "TRN115", REGISTERED.format(registered=registered))
