"""Defects of the family POL."""

from __future__ import annotations

from benchmarks.planted.trees import Draft, plants


@plants("POL101")
def ignored_without_a_reason(draft: Draft) -> None:
    draft.change("src/train.py", r"^(import wandb)$", r"\1  # gonogo: ignore[WDB101]§")
