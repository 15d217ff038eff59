"""What is told of the rows of loaders: which sets are the same, and from which a network learned before it was scored on which."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: `uv sync --all-packages` installs it")
import numpy as np
import torch
from torch.utils.data import Dataset, Subset, TensorDataset

INJECTED = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
sys.path.append(str(INJECTED))

from gonogo_probe import channel, standins  # noqa: E402
from gonogo_probe import settings as given_to_probe  # noqa: E402
from gonogo_probe.alterations import batches  # noqa: E402
from gonogo_probe.watchers import rows  # noqa: E402


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(channel, "emit", lambda event: events.append(vars(event)))
    monkeypatch.setattr(given_to_probe, "mode", given_to_probe.REHEARSAL)
    for name, empty in (
        ("_sets", []),
        ("_set_of", {}),
        ("_rows_of", {}),
        ("_pairs", {}),
        ("_labelled", set()),
        ("_looks", 0),
        ("_told", ()),
    ):
        monkeypatch.setattr(rows, name, empty)
    monkeypatch.setattr(standins, "_told", set())
    yield events
    rows.began_anew()
    batches.begin(None, 0)


def told(said: list[dict[str, Any]]) -> dict[str, Any]:
    rows._report()
    return said[-1]


class Chosen(Dataset[Any]):
    """Some rows of an array."""

    def __init__(self, images: Any, labels: Any, index: Any) -> None:
        self.images, self.labels, self.index = images, labels, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, place: int) -> Any:
        return self.images[self.index[place]], self.labels[self.index[place]]


def test_data_sets_of_several_kinds_have_the_same_rows(said: list[dict[str, Any]]) -> None:
    images, labels = torch.randn(40, 3), torch.arange(40) % 3
    index = list(range(12, 30))
    rows.saw_dataset(0, Subset(TensorDataset(images, labels), index))
    rows.saw_dataset(1, Chosen(images, labels, np.array(index)))
    rows.saw_dataset(2, Chosen(images.numpy(), labels, index[::-1]))
    rows.saw_dataset(3, TensorDataset(images[:20], labels[:20]))
    rows.saw_dataset(4, Chosen(images, labels, [0, 0, *index[2:]]))  # no list of different rows
    rows.saw_dataset(5, [1, 2, 3])
    found = told(said)
    assert found["sets"] == [(0, 0, 18), (1, 0, 18), (2, 0, 18), (3, 1, 20)]
    assert found["sizes"] == [18, 20]


def test_who_learned_from_what_is_scored(said: list[dict[str, Any]]) -> None:
    images = torch.randn(40, 3)
    for number, part in enumerate((images[:20], images[15:30], images[30:])):
        rows.saw_dataset(number, TensorDataset(part))
    network, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    for number, learns in ((1, False), (0, True), (1, False), (2, False)):
        batches.begin(number, 0)
        rows.ran(network, learns)
    rows.ran(other, False)
    found = told(said)
    assert found["scored"] == [(0, 1), (0, 2)]
    assert found["overlaps"] == [(0, 1, 5), (0, 2, 0), (1, 2, 0)]


@pytest.mark.parametrize("anew", ["optimizer", "values"])
def test_what_begins_anew_has_not_learned(anew: str, said: list[dict[str, Any]]) -> None:
    network = torch.nn.Linear(3, 2)
    rows.saw_dataset(0, TensorDataset(torch.randn(20, 3)))
    batches.begin(0, 0)
    rows.ran(network, True)
    rows.began_anew(network if anew == "values" else None)
    batches.begin(1, 0)
    rows.ran(network, True)
    batches.begin(2, 0)
    rows.ran(network, False)
    assert told(said)["scored"] == [(1, 2)]


def test_values_that_are_only_restored_have_learned(said: list[dict[str, Any]]) -> None:
    network = torch.nn.Linear(3, 2)
    rows.saw_dataset(0, TensorDataset(torch.randn(20, 3)))
    batches.begin(0, 0)
    rows.ran(network, True)
    rows.began_anew(network)  # the best state, before the test
    batches.begin(1, 0)
    rows.ran(network, False)
    assert told(said)["scored"] == [(0, 1)]


LOSSES = [
    (torch.nn.functional.cross_entropy, True),
    (lambda outputs, labels: torch.nn.CrossEntropyLoss(label_smoothing=0.1)(outputs, labels) + outputs.pow(2).sum(), True),
    (lambda outputs, labels: torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], labels.float()), True),
    (lambda outputs, labels: torch.nn.functional.mse_loss(outputs[:, 0], labels.float()), True),
    (lambda outputs, labels: torch.nn.functional.cross_entropy(outputs, outputs.argmax(1)), False),
    (lambda outputs, labels: -(outputs.softmax(1) * outputs.log_softmax(1)).sum(1).mean(), False),
]


@pytest.mark.parametrize(("loss", "takes"), LOSSES)
def test_losses_that_take_the_labels(loss: Any, takes: bool, said: list[dict[str, Any]]) -> None:
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
    outputs = torch.stack([labels.float(), 1 - labels.float()], 1).requires_grad_()  # wrong about each
    rows.saw_dataset(0, TensorDataset(torch.randn(8, 3)))
    batches.remember([torch.randn(8, 3), labels])
    batches.begin(3, 0)
    rows.saw_loss(loss(outputs, labels))
    assert told(said)["labelled"] == ([3] if takes else [])
