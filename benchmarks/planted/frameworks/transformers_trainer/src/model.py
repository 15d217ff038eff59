"""A tiny vision transformer that is made from a config, its objectives, and the scores it is judged by."""

import torch
from omegaconf import DictConfig
from torch import nn
from transformers import ViTConfig, ViTForImageClassification


def build_model(model_cfg: DictConfig) -> nn.Module:
    """Create the untrained classifier that the run asks for."""
    if model_cfg.name != "tiny-vit":
        raise ValueError(f"unknown model {model_cfg.name!r}: only 'tiny-vit' is implemented")
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=model_cfg.hidden_units,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * model_cfg.hidden_units,
        hidden_dropout_prob=model_cfg.dropout,
        num_labels=model_cfg.num_classes,
    )
    return ViTForImageClassification(config)


def smoothing_of(method: str, training_cfg: DictConfig) -> float:
    """Return the smoothing of a method; refuse a run whose method and objective contradict each other."""
    if method == "label-smoothing" and training_cfg.objective == "smoothed_cross_entropy":
        return training_cfg.label_smoothing
    if method == "cross-entropy" and training_cfg.objective == "cross_entropy":
        return 0.0
    raise ValueError(f"method {method!r} with objective {training_cfg.objective!r} is not implemented")


def score(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Return accuracy and mean cross-entropy, never smoothed, so that the methods can be compared."""
    accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
    return accuracy, nn.functional.cross_entropy(logits, labels).item()
