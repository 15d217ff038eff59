"""The gradients of an optimizer's parameters by the parts of the networks that these belong to."""

from __future__ import annotations

import math
from typing import Any

MOST_GROUPS = 12  # parts whose gradients are told


def by_part(names: dict[int, str], held: list[Any]) -> list[tuple[str, int, int, int, float | str]]:
    """Return statistics for each part of the networks.

    They are its name, tensors and numbers, those with a gradient, and the norm of the gradient.

    Args:
        names: of parameters by their identity, with the kind of their module after a bar.
        held: the parameters of an optimizer.
    """
    parts: dict[str, list[Any]] = {}
    named = [(names.get(id(parameter), "?").partition("|")[0].split("."), parameter) for parameter in held]
    common = 0
    while len({tuple(name[: common + 1]) for name, _ in named}) == 1 and all(len(name) > common + 2 for name, _ in named):
        common += 1  # a wrapper around all of it
    for depth in (2, 1):
        parts = {}
        for name, parameter in named:
            found = parts.setdefault(".".join(name[:-1][: common + depth]) or name[0], [0, 0, 0, 0.0])
            found[0] += 1
            found[1] += parameter.numel()
            if parameter.grad is not None:
                found[2] += parameter.numel()
                found[3] += float(parameter.grad.detach().double().pow(2).sum())
        if len(parts) <= MOST_GROUPS:
            break
    shown = list(parts.items())
    if len(shown) > MOST_GROUPS:
        shown = [*shown[: MOST_GROUPS // 2], *shown[-MOST_GROUPS // 2 :]]
    return [(name[:80], tensors, numbers, graded, _norm(squares)) for name, (tensors, numbers, graded, squares) in shown]


def _norm(squares: float) -> float | str:
    return float(f"{math.sqrt(squares):.4g}") if math.isfinite(squares) else str(squares)
