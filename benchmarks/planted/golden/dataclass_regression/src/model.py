"""A multi-layer perceptron for one value, and the losses under test."""

from torch import nn


class Regressor(nn.Module):
    """Equal hidden layers and one output."""

    def __init__(self, features: int, hidden: int, depth: int) -> None:
        super().__init__()
        layers = []
        for index in range(depth):
            layers += [nn.Linear(features if index == 0 else hidden, hidden), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, features):
        """Return one value per example."""
        return self.layers(features).squeeze(1)


def build_loss(name: str, delta: float) -> nn.Module:
    """Return the loss that the run names."""
    if name == "huber":
        return nn.HuberLoss(delta=delta)
    if name == "squared":
        return nn.MSELoss()
    raise ValueError(f"unknown loss {name!r}")
