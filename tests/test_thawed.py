"""What may make parameters trainable after the steps of a bounded run, so that an optimizer that changes nothing is no proof (MOD103)."""

from __future__ import annotations

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.rules.model.trainable_set_mismatch import _thaws


@pytest.mark.parametrize(
    "line",
    [
        "for p in model.parameters():\n    p.requires_grad = True",
        "for p in model.parameters():\n    p.requires_grad = epoch > 3",
        "model.requires_grad_(True)",
        "model.encoder.requires_grad_()",
        "blocks[3].requires_grad_(requires_grad=True)",
        "self.backbone.weight.requires_grad = not frozen",
        "unfreeze(model)",
        "thaw_last_layers()",
    ],
)
def test_parameters_that_may_be_trained_later(line: str) -> None:
    assert _thaws({"m.py": Module("m.py", line)})


@pytest.mark.parametrize(
    "line",
    [
        "logits = model(x).detach().requires_grad_()",
        "loss.requires_grad = True",
        "loss.requires_grad_(True)",
        "self.total_loss.requires_grad_()",
        "x = torch.zeros(3, requires_grad=True)",
        "for p in model.parameters():\n    p.requires_grad = False",
        "model.requires_grad_(False)",
        "w = nn.Parameter(torch.zeros(3), requires_grad=True)",
    ],
)
def test_tensors_that_are_no_parameters(line: str) -> None:
    assert not _thaws({"m.py": Module("m.py", line)})
