"""The language model with a head for two classes, and the objective of each method."""

from torch import nn
from transformers import AutoModelForSequenceClassification


def build_model(model_cfg):
    """Load the checkpoint that the run names."""
    return AutoModelForSequenceClassification.from_pretrained(model_cfg.checkpoint, num_labels=2, cache_dir=model_cfg.cache_dir)


def smoothed(training):
    """Cross-entropy with some probability spread over the classes."""
    return nn.CrossEntropyLoss(label_smoothing=training.label_smoothing)


def hard(training):
    """Plain cross-entropy."""
    if training.label_smoothing != 0:
        raise ValueError("hard targets take no smoothing")
    return nn.CrossEntropyLoss()


OBJECTIVES = {"smoothed": smoothed, "hard": hard}


def build_objective(method, training):
    """Return the loss of a method."""
    if method not in OBJECTIVES:
        raise ValueError(f"unknown method {method!r}")
    return OBJECTIVES[method](training)
