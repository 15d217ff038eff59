"""What the probe counts: batches that were used, and the steps of W&B's client."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed: `uv sync --all-packages` installs it")
import torch
from torch.utils.data import DataLoader

INJECTED = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
sys.path.append(str(INJECTED))

from gonogo_probe import channel, settings  # noqa: E402
from gonogo_probe.watchers import loaders, tracking, training  # noqa: E402

Said = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    events: Said = []
    monkeypatch.setattr(channel, "emit", lambda event: events.append((type(event).__name__, vars(event))))
    monkeypatch.setattr(settings, "tree", str(Path(__file__).parent) + "/")
    monkeypatch.setattr(settings, "bounds", {})
    monkeypatch.setattr(loaders, "_seen", {})
    monkeypatch.setattr(loaders, "_changed", set())
    monkeypatch.setattr(loaders, "_current", None)
    monkeypatch.setattr(loaders, "_settled", (0, 0))
    monkeypatch.setattr(training, "_counts", dict.fromkeys(training._counts, 0))
    yield events


def net(*_: object) -> None:
    training._counts["forwards"] += 1


def enumerated(loader: Any) -> None:
    for index, batch in enumerate(loader):
        if index >= 2:
            break
        net(batch)


def counted_after(loader: Any) -> None:
    done: list[int] = []
    for batch in loader:
        if len(done) == 2:
            return
        net(batch)
        done.append(1)


def asked_by_hand(loader: Any) -> None:
    batches, step = iter(loader), 0
    while True:
        batch = next(batches)
        if step >= 2:
            break
        net(batch)
        step += 1


def left_by_an_error(loader: Any) -> None:
    try:
        for index, batch in enumerate(loader):
            if index == 2:
                raise StopIteration
            net(batch)
    except StopIteration:
        pass


def passed_over(loader: Any) -> None:
    for index, batch in enumerate(loader):
        if index < 2:
            net(batch)


def fetched_ahead(loader: Any) -> None:
    def ahead() -> Iterator[Any]:
        batches = iter(loader)
        last = next(batches)
        for batch in batches:
            yield last
            last = batch
        yield last

    enumerated(ahead())


def through_a_generator(loader: Any) -> None:
    enumerated(batch for batch in loader)


def zipped(loader: Any) -> None:
    for _, batch in zip(range(2), loader, strict=False):
        net(batch)


@pytest.mark.parametrize(
    "way", [enumerated, counted_after, asked_by_hand, left_by_an_error, passed_over, fetched_ahead, through_a_generator, zipped]
)
def test_batch_at_which_a_loop_is_left_is_not_used(way: Callable[[Any], None], said: Said) -> None:
    assert used(way, said) == 2


def test_what_networks_do_counts_for_the_loader_at_hand(said: Said) -> None:
    class Loader(DataLoader[int]):
        """One of the test's own, so that torch's stays as it is."""

    loaders._watch(SimpleNamespace(DataLoader=Loader))  # type: ignore[arg-type]
    train, test = (Loader(list(range(length)), batch_size=1) for length in (3, 2))  # type: ignore[arg-type]

    def work(backwards: int) -> None:
        training._counts["forwards"] += 1
        training._counts["backwards"] += backwards

    left = iter(test)
    next(left)
    work(0)  # as Lightning does it: validation is left in the middle of its pass, and training begins
    for _ in train:
        work(1)
        for _ in test:
            work(0)
        work(1)
    del left
    loaders._report()
    counts = {data["rows"]: (data["forwards"], data["backwards"]) for kind, data in said if kind == "Loader"}
    assert counts == {3: (6, 6), 2: (7, 0)}


def test_loader_keeps_its_signature() -> None:
    class Loader(DataLoader[int]):
        """One of the test's own, so that torch's stays as it is."""

    loaders._watch(SimpleNamespace(DataLoader=Loader))  # type: ignore[arg-type]
    parameters = inspect.signature(Loader.__init__).parameters
    assert {"dataset", "batch_size", "num_workers"} <= set(parameters), "Lightning makes a loader anew by its parameters"


@pytest.mark.parametrize(("batches", "length"), [(None, 3), (2, 2), (9, 3)])
def test_pass_has_the_length_of_what_it_gives(monkeypatch: pytest.MonkeyPatch, batches: int | None, length: int) -> None:
    class Loader(DataLoader[int]):
        """One of the test's own, so that torch's stays as it is."""

    monkeypatch.setattr(settings, "bounds", {"batches": batches} if batches else {})
    loaders._watch(SimpleNamespace(DataLoader=Loader))  # type: ignore[arg-type]
    numbers: Any = iter(Loader([1, 2, 3], batch_size=1))  # type: ignore[arg-type]
    assert len(numbers) == length
    assert numbers._num_workers == 0
    assert [next(numbers).item() for _ in range(length)] == [1, 2, 3][:length]
    assert copy.copy(numbers) is not numbers
    with pytest.raises(AttributeError):
        numbers.no_such_thing  # noqa: B018


def third_too(loader: Any) -> None:
    for index, batch in enumerate(loader):
        net(batch)
        if index >= 2:
            break


def collected(loader: Any) -> None:
    batches = []
    for index, batch in enumerate(loader):
        if index >= 3:
            break
        batches.append(batch)
    for batch in batches:
        net(batch)


def differentiated(loader: Any) -> None:
    for index, _ in enumerate(loader):
        training._counts["backwards"] += 1
        if index >= 2:
            break


@pytest.mark.parametrize("way", [third_too, collected, differentiated, lambda loader: [net(batch) for batch in list(loader)[:3]]])
def test_batches_that_are_used_are_counted(way: Callable[[Any], None], said: Said) -> None:
    assert used(way, said) > 2


def used(way: Callable[[Any], None], said: Said) -> int:
    class Loader(DataLoader):  # type: ignore[type-arg]
        """One that may be watched: the real one stays as it is."""

    loaders._watch(SimpleNamespace(DataLoader=Loader))  # type: ignore[arg-type]
    way(Loader(torch.arange(8)))
    loaders._report()
    return max(data for kind, event in said if kind == "Loader" for data in event["used_batches"])


class Run:
    """A run of the client, as far as steps are concerned."""

    id, starting_step = "a", 0


def steps(rows: list[tuple[int | None, bool | None]], said: Said, first: int = 0) -> list[tuple[int, int]]:
    run = Run()
    run.starting_step = first
    for step, commit in rows:
        tracking._note_step(run, step, commit, None)
    return [(event["step"], event["last"]) for _, event in said]


@pytest.mark.parametrize(
    ("rows", "dropped"),
    [
        ([(5, None), (3, None)], [(3, 5)]),
        ([(5, None), (5, None), (6, None)], []),
        ([(None, None), (None, None), (None, None), (1, None)], [(1, 3)]),
        ([(None, None), (1, None), (None, None), (2, None)], []),
        ([(5, True), (5, None)], [(5, 6)]),
        ([(None, False), (None, False), (0, None)], []),
        ([(None, None), (0, None), (1, None)], [(0, 1)]),
        ([(100, None), (None, None), (100, None)], [(100, 101)]),
    ],
)
def test_steps_are_counted_as_the_client_does(
    rows: list[tuple[int | None, bool | None]], dropped: list[tuple[int, int]], said: Said
) -> None:
    assert steps(rows, said) == dropped


def test_steps_of_a_run_that_goes_on_begin_where_it_ended(said: Said) -> None:
    assert steps([(3, None), (7, None)], said, first=7) == [(3, 7)]


def test_steps_of_another_kind_are_the_clients_concern(said: Said) -> None:
    assert steps([(torch.tensor(5), None), (torch.tensor(3), None), ("x", None)], said) == [(3, 5)]  # type: ignore[list-item]


@given(st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=12))
def test_rows_in_order_are_never_dropped(steps_given: list[int | None]) -> None:
    run, dropped = Run(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel, "emit", dropped.append)
        at = 0
        for step in steps_given:
            given_step = None if step is None else at + step
            tracking._note_step(run, given_step, None, None)
            at = at + 1 if given_step is None else given_step
    assert dropped == []


@pytest.mark.parametrize(
    ("shuffle", "learns", "had", "told"), [(False, False, 9, 9), (False, True, 2, 2), (True, False, 9, 9), (True, True, 2, 2)]
)
def test_pass_that_trains_nothing_goes_on_where_a_run_is_made_again(
    said: Said, monkeypatch: pytest.MonkeyPatch, shuffle: bool, learns: bool, had: int, told: int
) -> None:
    monkeypatch.setattr(settings, "bounds", {"batches": 2, "asks": 30})

    class Loader(DataLoader):  # type: ignore[type-arg]
        """One whose methods may be changed."""

        __len__ = DataLoader.__len__
        __iter__ = DataLoader.__iter__

    loaders._watch(SimpleNamespace(DataLoader=Loader))  # type: ignore[arg-type]
    loader = Loader(list(range(9)), batch_size=1, shuffle=shuffle)  # type: ignore[arg-type]
    assert len(loader) == (2 if shuffle else 9), "before anybody knows what it is for"
    batches = 0
    for _ in loader:
        batches += 1
        training._counts["forwards"] += 1
        training._counts["backwards"] += learns
    assert (batches, len(loader)) == (had, told)
    monkeypatch.setattr(settings, "bounds", {"batches": 2})
    assert sum(1 for _ in loader) == len(loader) == 2
