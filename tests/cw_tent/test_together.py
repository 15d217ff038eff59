"""Streams that run as one batch: each must come out as it would alone, whatever the others do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model import chosen, tiny_network

from src import model as m

SEVERAL = [
    chosen("tent", learning_rate=0.05),
    chosen("tent", learning_rate=0.3, momentum=0.0, weight_decay=0.01),
    chosen("cw-tent", optimizer="adam", learning_rate=0.01, gradient_clip=0.5),
    chosen("cw-tent-undetached", inner_steps=3, predict="after"),
    chosen("tent", inner_steps=2, predict="last"),
]


def adapters(precision: str) -> list[m.EntropyMinimisation]:
    source = tiny_network()
    made = [m.adapter(source, replace(each, precision=precision)) for each in SEVERAL]
    assert all(isinstance(adapter, m.EntropyMinimisation) for adapter in made)
    return made  # type: ignore[return-value]


def batch(size: int, seed: int) -> torch.Tensor:
    return torch.randn(size, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(2, 9), min_size=len(SEVERAL), max_size=len(SEVERAL)), min_size=1, max_size=4),
    updates=st.lists(st.booleans(), min_size=len(SEVERAL), max_size=len(SEVERAL)),
    seed=st.integers(0, 1000),
)
def test_each_stream_is_as_it_is_alone(sizes: list[list[int]], updates: list[bool], seed: int) -> None:
    alone, joined = adapters("fp64"), adapters("fp64")
    together = m.Together(joined)
    for turn, row in enumerate(sizes):
        batches = [batch(size, seed + 100 * turn + place) for place, size in enumerate(row)]
        found = together.predict(batches, updates)
        wanted = [adapter.predict(images, update) for adapter, images, update in zip(alone, batches, updates, strict=True)]
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one.logits, other.logits, rtol=1e-9, atol=1e-9)
            assert (one.loss, one.weight_sum, one.entropy) == pytest.approx((other.loss, other.weight_sum, other.entropy), rel=1e-9)
            assert one.updated == other.updated
    for one, other in zip(joined, alone, strict=True):
        assert one.counts == other.counts
        torch.testing.assert_close(one.parameters.values, other.parameters.values, rtol=1e-9, atol=1e-9)


def test_a_stream_that_learns_nothing_leaves_the_others_alone() -> None:
    alone, joined = adapters("fp64"), adapters("fp64")
    batches = [batch(6, place) for place in range(len(SEVERAL))]
    batches[1] = torch.full_like(batches[1], torch.nan)
    found = m.Together(joined).predict(batches, [True] * len(SEVERAL))
    wanted = [adapter.predict(images) for adapter, images in zip(alone, batches, strict=True)]
    assert [step.updated for step in found] == [step.updated for step in wanted] == [True, False, True, True, True]
    for one, other in zip(joined, alone, strict=True):
        torch.testing.assert_close(one.parameters.values, other.parameters.values, rtol=1e-9, atol=1e-9)


def test_adapters_go_on_alone_and_are_reset() -> None:
    joined = adapters("fp32")
    batches = [batch(6, place) for place in range(len(SEVERAL))]
    m.Together(joined).predict(batches, [True] * len(SEVERAL))
    assert all(adapter.drift > 0 for adapter in joined)
    for adapter in joined:
        adapter.reset()
    for adapter, fresh, images in zip(joined, adapters("fp32"), batches, strict=True):
        assert torch.equal(adapter.predict(images).logits, fresh.predict(images).logits)


def test_what_can_not_run_together_is_told() -> None:
    source = tiny_network()
    with pytest.raises(m.ModelError, match="one precision"):
        m.Together([m.adapter(source, chosen()), m.adapter(source, chosen(precision="fp64"))])  # type: ignore[list-item]
    with pytest.raises(m.ModelError, match="nothing else"):
        m.Together([m.adapter(source, chosen(freeze_except=("BatchNorm.weight", "fc.weight")))] * 2)  # type: ignore[list-item]
