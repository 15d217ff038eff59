"""What is told of batches, of rows that loaders share, and of the parts of a network: held against torch's own numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed: `uv sync --all-packages` installs it")
import torch
from torch.utils.data import Subset, TensorDataset

INJECTED = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
sys.path.append(str(INJECTED))

from gonogo_probe import channel, standins  # noqa: E402
from gonogo_probe import settings as given_to_probe  # noqa: E402
from gonogo_probe.watchers import contents, parts, rows  # noqa: E402

Said = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    events: Said = []
    monkeypatch.setattr(channel, "emit", lambda event: events.append((type(event).__name__, vars(event))))
    monkeypatch.setattr(given_to_probe, "mode", given_to_probe.PROGRAM)
    for name in ("_sources", "_told"):
        monkeypatch.setattr(contents, name, {})
    for name, empty in (("_sets", []), ("_set_of", {}), ("_rows_of", {})):
        monkeypatch.setattr(rows, name, empty)
    monkeypatch.setattr(standins, "_told", set())  # other tests of this process may have used some
    yield events


def told(said: Said) -> dict[str, dict[str, Any]]:
    said.clear()
    contents._report()
    return {data["name"]: data for kind, data in said if kind == "Contents"}


@pytest.mark.slow
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.sampled_from([(), (3,), (3, 4, 4), (3, 2, 2, 2)]), st.integers(0, 9))
@settings(deadline=None)
def test_numbers_of_batches_are_those_of_all_rows(sizes: list[int], shape: tuple[int, ...], seed: int) -> None:
    contents._sources.clear()
    contents._told.clear()
    events: Said = []
    channel.emit = lambda event: events.append((type(event).__name__, vars(event)))
    rows = torch.randn(sum(sizes), *shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1
    for batch in rows.split(sizes):
        contents.saw("0", [batch])
    found = told(events)["0"]
    channels = rows.transpose(0, 1).flatten(1) if len(shape) >= 3 else rows.reshape(1, -1)
    assert [mean for mean, _ in found["moments"]] == pytest.approx([float(each.mean()) for each in channels], abs=1e-4)
    assert [sd for _, sd in found["moments"]] == pytest.approx([float(each.std(correction=0)) for each in channels], abs=1e-4)
    assert (found["rows"], found["low"]) == (sum(sizes), pytest.approx(float(rows.min()), abs=1e-4))


def test_labels_are_counted_and_numbers_that_are_none_too(said: Said) -> None:
    batch = {"x": torch.tensor([[1.0, float("nan")], [float("inf"), 2.0]]), "y": {"labels": torch.tensor([[1], [1]])}, "text": ["a", "b"]}
    contents.saw("0", batch)
    contents.saw("0", batch)
    found = told(said)
    assert sorted(found) == ["x", "y.labels"]
    assert (found["x"]["not_finite"], found["x"]["low"], found["x"]["high"]) == (4, 0, 2)
    assert found["y.labels"]["counts"] == [[1, 4]]


@pytest.mark.parametrize(
    "odd", [None, 3, "text", [], {}, torch.empty(0, 3), torch.zeros(2, 2).to_sparse(), torch.zeros(2, dtype=torch.complex64), [[["a"]]]]
)
def test_odd_batches_do_no_harm(odd: Any, said: Said) -> None:
    contents.saw("0", odd)
    assert all(data["not_finite"] == 0 for data in told(said).values())


def test_whole_numbers_of_many_places_are_no_labels(said: Said) -> None:
    contents.saw("0", (torch.arange(12).reshape(3, 4), torch.tensor(5)))
    found = told(said)
    assert found["0"]["counts"] == [] and found["0"]["high"] == 11
    assert found["1"]["shapes"] == ["scalar"]


def test_rows_that_two_loaders_share(said: Said) -> None:
    x = torch.randn(20, 3)
    x[15] = x[2]
    data = TensorDataset(x, torch.zeros(20))
    rows.saw_dataset(0, Subset(data, range(10)))
    rows.saw_dataset(1, Subset(Subset(data, range(8, 20)), [0, 1, 5, 7]))  # 8, 9, 13, 15
    rows.saw_dataset(2, ["no array"])
    assert said == [("SharedRows", {"loaders": (0, 1), "shared": 3, "rows": (10, 4)})]


def test_gradients_by_part() -> None:
    network = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 4)), torch.nn.Linear(4, 2))
    network[0].requires_grad_(False)
    network(torch.ones(5, 3)).sum().backward()
    held = list(network.parameters())
    names = {id(parameter): f"{name}|Linear" for name, parameter in network.named_parameters()}
    head = torch.cat([parameter.grad.flatten() for parameter in network[1].parameters() if parameter.grad is not None])
    assert parts.by_part(names, held) == [
        ("0.0", 2, 16, 0, 0.0),
        ("0.1", 2, 20, 0, 0.0),
        ("1", 2, 10, 10, pytest.approx(float(head.norm()), rel=1e-3)),
    ]
    assert parts.by_part({}, held[:1])[0][0] == "?"
