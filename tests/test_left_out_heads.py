"""New heads that whoever trains leaves out."""

from __future__ import annotations

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.training.left_out_heads import left_out_heads

MODEL = """
import torch
from transformers import AutoModelForSequenceClassification

def build(cfg):
    net = AutoModelForSequenceClassification.from_pretrained("roberta-base", num_labels=cfg.classes)
    {more}
    return net
"""
TRAIN = """
import torch
from src.model import build

def train(cfg, teacher):
    model = build(cfg).to("cuda")
{body}
"""
STEP = "optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)"
FREEZE = "for p in model.parameters():\n    p.requires_grad = False"
NORMS = 'for n, p in model.named_parameters():\n    if "LayerNorm" in n:\n        p.requires_grad = True'


def left_out(body: str, more: str = "pass") -> int:
    inner = "".join(f"    {line}\n" for line in body.splitlines())
    texts = {"src/model.py": MODEL.replace("{more}", more), "src/train.py": TRAIN.replace("{body}\n", inner)}
    modules = {path: Module(path, text) for path, text in texts.items()}
    assert all(module.tree is not None for module in modules.values())
    return len(list(left_out_heads(modules, Symbols(modules, dict.fromkeys(modules)))))


@pytest.mark.parametrize(
    "body",
    [
        f"{FREEZE}\n{STEP}",
        f"{FREEZE}\n{NORMS}\n{STEP}",
        f"model.requires_grad_(False)\n{NORMS}\n{STEP}",
        f"for p in model.parameters():\n    p.requires_grad_(False)\n{STEP}",
        f"for n, p in model.named_parameters():\n    p.requires_grad = False\n{STEP}",
        'torch.optim.AdamW([p for n, p in model.named_parameters() if "attention" in n], lr=1e-4)',
        'torch.optim.SGD((p for n, p in model.named_parameters() if "LayerNorm" in n and p.requires_grad), lr=1e-4)',
        'torch.optim.SGD([p for n, p in model.named_parameters() if "query" in n or "key" in n], lr=1e-4)',
        'torch.optim.SGD([p for n, p in model.named_parameters() if any(k in n for k in ("norm", "query"))], lr=1e-4)',
        'torch.optim.SGD([p for n, p in model.named_parameters() if n.startswith("roberta.encoder")], lr=1e-4)',
        'torch.optim.SGD(list(p for n, p in model.named_parameters() if "adapter" in n), lr=1e-4)',
    ],
)
def test_a_head_that_is_never_trained(body: str) -> None:
    assert left_out(body) == 1


@pytest.mark.parametrize(
    "body",
    [
        STEP,
        f"for p in teacher.parameters():\n    p.requires_grad = False\n{STEP}",
        f"for p in model.roberta.parameters():\n    p.requires_grad = False\n{STEP}",
        f"for n, p in model.named_parameters():\n    if 'classifier' not in n:\n        p.requires_grad = False\n{STEP}",
        f"if cfg.frozen:\n    for p in model.parameters():\n        p.requires_grad = False\n{STEP}",
        f"{FREEZE}\nfor p in model.classifier.parameters():\n    p.requires_grad = True\n{STEP}",
        f"{FREEZE}\nmodel.classifier = torch.nn.Linear(768, 3)\n{STEP}",
        f"{FREEZE}\nfeatures = model(x, output_hidden_states=True).hidden_states[-1]\n{STEP}",
        'torch.optim.AdamW([p for n, p in model.named_parameters() if "bias" in n], lr=1e-4)',
        'torch.optim.AdamW([p for n, p in model.named_parameters() if "attention" not in n], lr=1e-4)',
        'torch.optim.AdamW([p for n, p in model.named_parameters() if "attention" in n or "class" in n], lr=1e-4)',
        'torch.optim.AdamW([p for n, p in model.named_parameters() if any(k in n for k in cfg.parts)], lr=1e-4)',
        'torch.optim.AdamW([p for n, p in model.named_parameters() if cfg.part in n], lr=1e-4)',
        'a = torch.optim.SGD([p for n, p in model.named_parameters() if "query" in n], lr=1e-4)\n'
        "b = torch.optim.SGD(model.classifier.parameters(), lr=1e-3)",
    ],
)  # fmt: skip
def test_a_head_that_may_be_trained(body: str) -> None:
    assert left_out(body) == 0


def test_a_head_of_another_network_is_left_alone() -> None:
    assert (
        left_out(f"{FREEZE}\n{STEP}", more='teacher = AutoModelForSequenceClassification.from_pretrained("bert-base-cased", num_labels=3)')
        == 0
    )
