"""Logistic regression."""

from torch import nn


def build_model(model_cfg, features):
    """Return the classifier that the run names."""
    if model_cfg.name != "linear":
        raise ValueError(f"unknown model {model_cfg.name!r}")
    return nn.Linear(features, model_cfg.num_classes)
