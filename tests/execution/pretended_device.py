"""Runs expressions on the probe's pretended CUDA device, each told as what it raises; `test_accelerator` starts it in a process of its own."""

from __future__ import annotations

import copy
import io
import json
import sys
from typing import Any

import numpy as np
import torch
from gonogo_probe import accelerator
from gonogo_probe.accelerator import claims
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset


class Constant(nn.Module):
    """Adds a constant that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = torch.randn(1, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.constant


class Buffered(nn.Module):
    """Adds a constant that is a buffer, and what it makes where its input is."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("constant", torch.randn(1, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.constant + torch.zeros(x.size(0), 1, device=x.device)


class Listed(nn.Module):
    """Has its layer in a plain list, which `.to` does not reach."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(4, 4)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layers[0](x)
        return out


def steps(**loading: Any) -> None:
    """Train for an epoch as code for a GPU does."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).to(device)
    optimizer = torch.optim.AdamW(network.parameters())
    scaler = torch.amp.GradScaler("cuda")
    for inputs, labels in DataLoader(TensorDataset(torch.randn(32, 4), torch.randint(3, (32,))), 8, shuffle=True, **loading):
        inputs, labels = inputs.to(device, non_blocking=True), labels.cuda()
        optimizer.zero_grad()
        with torch.autocast("cuda"):
            loss = functional.cross_entropy(network(inputs), labels, weight=torch.ones(3, device=device))
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        assert loss.device.type == "cuda"
    assert next(network.parameters()).grad.device == torch.device("cuda:0")  # type: ignore[union-attr]


def average() -> None:
    """Keep a moving average of a network's weights, store and load them."""
    network = nn.Linear(4, 3).cuda()
    other = copy.deepcopy(network)
    for old, new in zip(other.parameters(), network.parameters(), strict=True):
        old.data.mul_(0.9).add_(new.data, alpha=0.1)
    stored = io.BytesIO()
    torch.save(other.state_dict(), stored)
    stored.seek(0)
    network.load_state_dict(torch.load(stored, weights_only=True))
    assert network(torch.zeros(2, 4, device="cuda")).is_cuda


def default_device() -> None:
    """Make everything on the device by default."""
    torch.set_default_device("cuda")
    try:
        assert nn.Linear(2, 2)(torch.randn(3, 2)).is_cuda
    finally:
        torch.set_default_device(None)


def default_type() -> None:
    """Make everything of an old type by default."""
    torch.set_default_tensor_type("torch.cuda.DoubleTensor")
    try:
        made = torch.zeros(3)
        assert made.is_cuda
        assert made.dtype is torch.double
    finally:
        torch.set_default_tensor_type(torch.FloatTensor)
    assert not torch.zeros(3).is_cuda


def main() -> None:
    """Read expressions by name from standard input, and write what each raises."""
    accelerator.pretend(torch)
    accelerator.claim_batches(torch.utils.data.dataloader)
    known: dict[str, Any] = {"torch": torch, "nn": nn, "F": functional, "np": np}
    known |= {"Constant": Constant, "Buffered": Buffered, "Listed": Listed, "steps": steps, "average": average}
    known |= {"default_device": default_device, "default_type": default_type}
    x, y = torch.randn(16, 4), torch.randint(3, (16,))
    known |= {"x": x, "y": y, "xd": x.cuda(), "yd": y.to("cuda:0"), "network": nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)).cuda()}
    said = {}
    for name, expression in json.load(sys.stdin).items():
        try:
            eval(expression, known)
            said[name] = ""
        except Exception as error:
            said[name] = f"{type(error).__name__}: {error}"
    json.dump({"said": said, "unsure": claims.unsure}, sys.stdout)


if __name__ == "__main__":
    main()
