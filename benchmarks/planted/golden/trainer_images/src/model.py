"""A small convolutional network, and the optimisers under test."""

import torch
from torch import nn

OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


class SmallCNN(nn.Module):
    """Two convolutions and a linear layer."""

    def __init__(self, channels, num_classes):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.output = nn.Linear(2 * channels * 7 * 7, num_classes)

    def forward(self, images):
        """Return one logit per class."""
        hidden = self.pool(torch.relu(self.first(images)))
        hidden = self.pool(torch.relu(self.second(hidden)))
        return self.output(hidden.flatten(1))


def build_model(cfg):
    """Return the network that the run names."""
    if cfg.name != "small-cnn":
        raise ValueError(f"unknown model {cfg.name!r}")
    return SmallCNN(cfg.channels, cfg.num_classes)


def build_optimizer(name, model, settings):
    """Return the optimiser that the run names."""
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}")
    return OPTIMIZERS[name](model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"])
