"""Which loops of the experiment's code are cut, and where: the code is instrumented as the probe does it, and run in this process."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

INJECTED = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
sys.path.append(str(INJECTED))

from gonogo_probe import handlers, loops, settings  # noqa: E402


@pytest.fixture(autouse=True)
def bounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(settings, "tree", "/experiment/")
    monkeypatch.setattr(settings, "bounds", {"batches": 2, "epochs": 1, "loops": 1})
    monkeypatch.setattr(loops, "_seen", {})
    monkeypatch.setattr(builtins, loops.NAME, loops.over, raising=False)
    yield


def run(text: str, **names: object) -> dict[str, object]:
    module = ModuleType("experiment")
    module.__dict__.update(names, net=loops.network_ran, seen=[])
    exec(loops.instrument(text.encode(), "/experiment/src/train.py"), module.__dict__)
    return module.__dict__


class Batch:
    """Something with a shape and a type, as arrays and tensors have."""

    shape, dtype = (4,), "float32"

    def __init__(self, number: int) -> None:
        self.number = number


BATCHES = [Batch(number) for number in range(10)]


def test_loop_over_batches_runs_the_first_and_the_last() -> None:
    found = run("for number, batch in enumerate(batches):\n    net()\n    seen.append(number)\n", batches=BATCHES)
    assert found["seen"] == [0, 9]


def test_slices_of_a_tensor_are_batches() -> None:
    found = run("for start in range(0, 100, 10):\n    net()\n    seen.append(start)\n")
    assert found["seen"] == [0, 90]


def test_index_that_cuts_the_data_is_a_batch() -> None:
    found = run("for i in range(7):\n    part = data[i * 2 : i * 2 + 2]\n    net()\n    seen.append(part)\n", data=list(range(14)))
    assert found["seen"] == [[0, 1], [12, 13]]


@pytest.mark.parametrize(
    "comprehension",
    [
        "[go(data[part]) for part, _ in parts]",
        "[go(data[part]) == labels[part] for part, kept in parts if kept]",
        "{go(data[part]): 1 for part, _ in parts}",
        "list(go(data[part]) for part, _ in list(parts))",
        "[go(data[at : at + 2]) for at in range(0, 14, 2)]",
        "[go(data[at * 2 : at * 2 + 2]) for at in range(7)]",
        "[go(data[at : at + 2]) for at in reversed(range(0, 14, 2))]",
    ],
)
def test_comprehensions_that_cut_the_data_are_loops_over_batches(comprehension: str) -> None:
    parts = [(slice(at, at + 2), True) for at in range(0, 14, 2)]
    text = "def go(part):\n    net()\n    seen.append(part)\n    return part\nfound = "
    assert sorted(run(text + comprehension, data="aabbccddeeffgg", labels="aabbccddeeffgg", parts=parts)["seen"]) == ["aa", "gg"]


@pytest.mark.parametrize(
    "comprehension",
    [
        "[go(view) for view in batches]",  # crops of one image, perhaps
        "[go(data[at]) for at in range(7)]",
        "[go(data[at]) for at in [1, 2, 3, 4, 5, 6, 7]]",
        "[go(model[name]) for name in ['a', 'b', 'c', 'd', 'e', 'f', 'g']]",
        "[go(1) for turn in range(7)]",
        "[seen.append(data[at : at + 2]) for at in range(0, 14, 2)]",  # runs no network
    ],
)
def test_other_comprehensions_are_not_cut(comprehension: str) -> None:
    text = "def go(part):\n    net()\n    seen.append(part)\nfound = "
    found = run(text + comprehension, batches=BATCHES[:7], data="aabbccddeeffgg", model=dict.fromkeys("abcdefg"))
    assert len(found["seen"]) == 7


ASKS = "for start in range(0, 100, 10):\n    net()\n    seen.append(start)\n"


@pytest.mark.parametrize(
    ("text", "rounds"),
    [
        (ASKS, 10),
        ("for row in range(7):\n    net()\n    seen.append(row)\n", 7),
        ("seen += [net() for start in range(0, 100, 10)]\n", 10),
        (ASKS.replace("net()", "net(); learn()"), 2),
        ("for epoch in range(9):\n    net()\n    seen.append(epoch)\n", 1),
    ],
)
def test_what_only_asks_a_network_goes_on_where_a_run_is_made_again(text: str, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    backwards: list[int] = []
    monkeypatch.setattr(handlers, "work", lambda: (0, len(backwards), 0))
    assert len(run(text, learn=lambda: backwards.append(1))["seen"]) <= 2  # type: ignore[arg-type]
    backwards.clear()
    monkeypatch.setitem(settings.bounds, "asks", 30)
    assert len(run(text, learn=lambda: backwards.append(1))["seen"]) == rounds  # type: ignore[arg-type]


def test_loop_over_names_is_never_cut() -> None:
    text = "for name in ['fog', 'snow', 'frost', 'blur']:\n    for batch in batches:\n        net()\n    seen.append(name)\n"
    assert run(text, batches=BATCHES)["seen"] == ["fog", "snow", "frost", "blur"]


def test_loop_over_names_is_not_cut_where_it_runs_the_network_itself() -> None:
    assert run("for name in ['fog', 'snow', 'frost']:\n    net()\n    seen.append(name)\n")["seen"] == ["fog", "snow", "frost"]


def test_batches_are_cut_where_a_loop_over_names_within_runs_the_network() -> None:
    text = "for batch in batches:\n    for with_gradient in (True, False):\n        if with_gradient:\n            net()\n    seen.append(batch.number)\n"
    assert run(text, batches=BATCHES)["seen"] == [0, 9]
    text = "for batch in batches:\n    for view in 'ab':\n        for crop in 'cd':\n            net()\n            break\n    seen.append(batch.number)\n"
    assert run(text, batches=BATCHES)["seen"] == [0, 9]


def test_repetitions_of_a_loop_over_names_are_not_cut() -> None:
    text = "for turn in range(4):\n    for name in ['fog', 'snow', 'frost']:\n        net()\n    seen.append(turn)\n"
    assert run(text)["seen"] == [0, 1, 2, 3]
    text = "for seed in [1, 2, 3]:\n    for name in ['fog', 'snow', 'frost']:\n        net()\n    seen.append(seed)\n"
    assert run(text)["seen"] == [1, 2, 3]


def test_loop_without_the_network_is_not_cut() -> None:
    assert run("for batch in batches:\n    seen.append(batch.number)\n", batches=BATCHES)["seen"] == list(range(10))


def test_steps_within_a_batch_are_cut_and_the_batches_around_them_too() -> None:
    text = "for batch in batches:\n    for step in range(10):\n        net()\n        seen.append((batch.number, step))\n"
    assert run(text, batches=BATCHES)["seen"] == [(0, 0), (0, 9), (9, 0), (9, 9)]


def test_epochs_are_cut_to_one() -> None:
    text = "for epoch in range(5):\n    for batch in batches:\n        net()\n    seen.append(epoch)\n"
    assert run(text, batches=BATCHES)["seen"] == [0]


def test_loop_over_layers_in_a_counting_loop_is_not_cut() -> None:
    assert run("for layer in range(6):\n    seen.append(layer)\n")["seen"] == list(range(6))


def test_consumer_of_a_generator_stops_with_it() -> None:
    text = (
        "def stream():\n    for batch in batches:\n        yield batch\n\n"
        "for number, batch in enumerate(stream()):\n    net()\n    seen.append(batch.number)\n"
    )
    assert run(text, batches=BATCHES)["seen"] == [0, 9]


def test_else_of_a_loop_runs_and_break_leaves_it() -> None:
    text = "for batch in batches:\n    net()\nelse:\n    seen.append('else')\nfor batch in batches:\n    net()\n    break\nelse:\n    seen.append('not here')\n"
    assert run(text, batches=BATCHES)["seen"] == ["else"]


def test_exception_goes_through_and_leaves_no_loop_behind() -> None:
    with pytest.raises(KeyError):
        run("for batch in batches:\n    net()\n    raise KeyError('x')\n", batches=BATCHES)
    assert loops._stack() == []


def test_unbounded_run_counts_and_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "bounds", {})
    assert run("for batch in batches:\n    net()\n    seen.append(batch.number)\n", batches=BATCHES)["seen"] == list(range(10))
    assert loops._seen[("src/train.py", 1)][:3] == ["items", 1, 10]


def test_lines_of_tracebacks_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("x = 0\nfor batch in batches:\n    net()\n    1 / x\n", batches=BATCHES)
    assert [entry.lineno + 1 for entry in caught.traceback if str(entry.path).endswith("train.py")] == [4]


@pytest.mark.slow
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 6))
def test_whatever_is_cut_was_there_in_this_order(marks: list[int], limit: int) -> None:
    settings.bounds = {"batches": limit, "epochs": 1, "loops": 1}
    batches = [Batch(number) for number in range(len(marks))]
    found = run("for b in batches:\n    if marks[b.number]:\n        net()\n    seen.append(b.number)\n", batches=batches, marks=marks)
    seen = found["seen"]
    assert isinstance(seen, list)
    assert seen == sorted(set(seen))
    assert seen[-1] == len(marks) - 1 or limit == 1
    ran = [number for number in seen if marks[number]]
    assert len(ran) <= max(limit, 1)
