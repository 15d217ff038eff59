"""Which `while` loops of the experiment's code are ended, and when: the code is instrumented as the probe does it, and run in this process."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

INJECTED = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
sys.path.append(str(INJECTED))

from gonogo_probe import handlers, loops, settings, whiles  # noqa: E402

MOST = 500  # rounds, after which a loop that nobody ends is a failure of the test


class Batch:
    """Something with a shape and a type, as arrays and tensors have."""

    shape, dtype = (4,), "float32"


class Work:
    """Forward and backward passes, as the probe counts them."""

    def __init__(self) -> None:
        self.forwards = self.backwards = 0

    def net(self) -> None:
        loops.network_ran()
        self.forwards += 1
        assert self.forwards < MOST

    def train(self) -> None:
        self.net()
        self.backwards += 1

    def __call__(self) -> tuple[int, int, int]:
        return self.forwards, self.backwards, self.backwards


@pytest.fixture(autouse=True)
def bounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(settings, "tree", "/experiment/")
    monkeypatch.setattr(settings, "mode", "rehearsal")
    monkeypatch.setattr(settings, "bounds", {"batches": 2, "epochs": 1, "loops": 1})
    monkeypatch.setattr(loops, "_seen", {})
    monkeypatch.setattr(loops, "changes", [])
    monkeypatch.setattr(builtins, loops.NAME, loops.over, raising=False)
    for name, value in ((handlers.TRYING, handlers.trying), (handlers.CAUGHT, handlers.caught)):
        monkeypatch.setattr(builtins, name, value, raising=False)
    whiles.start()
    yield
    delattr(builtins, whiles.NAME)


def run(text: str, **names: object) -> dict[str, Any]:
    work = Work()
    handlers.work, before = work, handlers.work
    module = ModuleType("experiment")
    module.__dict__.update(names, net=work.net, train=work.train, batches=[Batch() for _ in range(9)], seen=[])
    try:
        exec(loops.instrument(text.encode(), "/experiment/src/train.py"), module.__dict__)
    finally:
        handlers.work = before
    assert loops._stack() == []
    return {**module.__dict__, "backwards": work.backwards, "forwards": work.forwards}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "backwards"),
    [
        ("step = 0\nwhile step < 10**6:\n    train()\n    step += 1\n", 2),
        ("step = 0\nwhile True:\n    train()\n    step += 1\n    if step >= 10**6:\n        break\n", 2),
        ("step = 0\nwhile True:\n    train()\n    step += 1\n    if step > 10**6:\n        print('done')\n        break\n", 2),
        ("step = 0\nwhile step < 10**6:\n    for batch in batches:\n        train()\n        step += 1\n", 2),
        ("epoch = 0\nwhile epoch < 100:\n    for batch in batches:\n        train()\n    epoch += 1\n", 2),
        (
            "step, done = 0, False\nwhile not done:\n    for b in batches:\n        train()\n        step += 1\n        if step == 10**6:\n"
            "            done = True\n            break\n",
            2,
        ),
        (
            "it = iter(batches)\nstep = 0\nwhile step < 10**6:\n    try:\n        b = next(it)\n    except StopIteration:\n"
            "        it = iter(batches)\n        b = next(it)\n    train()\n    step += 1\n",
            2,
        ),
        ("it = iter(batches)\nwhile True:\n    try:\n        b = next(it)\n    except StopIteration:\n        break\n    train()\n", 2),
        ("i = 0\nwhile i < len(batches):\n    part = batches[i:i + 1]\n    train()\n    i += 1\n", 2),
        (
            "class T:\n    step = 0\n    def fit(self):\n        while self.step < 10**6:\n            self.one()\n    def one(self):\n"
            "        train()\n        self.step += 1\nT().fit()\n",
            2,
        ),
        (
            "def batches_of():\n    while True:\n        for b in batches:\n            yield b\n"
            "for n, b in enumerate(batches_of()):\n    train()\n    if n > 10**6:\n        break\n",
            2,
        ),
        ("while (loss := 1.0) > 1e-9:\n    train()\n", 2),
        (
            "total = 0\nwhile total < 10**6:\n    while True:\n        net()\n        if True:\n            break\n    for u in range(3):\n"
            "        train()\n    total += 1\n",
            4,
        ),
    ],
)
def test_loop_that_trains_is_ended(text: str, backwards: int) -> None:
    assert run(text)["backwards"] == backwards


@pytest.mark.parametrize(
    "text",
    [
        "n = 0\nwhile n < 30:\n    net()\n    n += 1\n",  # words of a text
        "kept = []\nwhile len(kept) < 30:\n    net()\n    kept.append(1)\n",  # samples
        "def find():\n    n = 0\n    while True:\n        train()\n        n += 1\n        if n == 30:\n            return n\nfind()\n",
        "n = 0\nwhile True:\n    train()\n    n += 1\n    if n == 30:\n        best = n\n        break\nprint(best)\n",
        # collections that are worked off
        "work = list(range(30))\nwhile work:\n    work.pop()\n    train()\n",
        "work = list(range(30))\nwhile len(work) > 0:\n    train()\n    work.remove(work[0])\n",
        "work = dict.fromkeys(range(30))\nwhile work:\n    for key in list(work)[:1]:\n        train()\n        del work[key]\n",
        "from collections import deque\nwork = deque(range(30))\nwhile len(work):\n    work.popleft()\n    train()\n",
        "class T:\n    def __init__(self):\n        self.work = set(range(30))\n    def go(self):\n        while self.work:\n            train()\n"
        "            self.work.discard(max(self.work))\nT().go()\n",
        "n, done = 0, False\nwhile not done:\n    train()\n    n += 1\n    if n == 30:\n        best = n\n        done = True\nprint(best)\n",
    ],
)
def test_loop_whose_end_may_be_needed_is_not_ended(text: str) -> None:
    assert run(text)["forwards"] == 30


def test_else_runs_and_break_leaves_it() -> None:
    text = "while len(seen) < 9:\n    train()\nelse:\n    seen.append('else')\nwhile True:\n    break\nelse:\n    seen.append('no')\n"
    assert run(text)["seen"] == ["else"]


def test_exception_goes_through_and_leaves_no_loop_behind() -> None:
    with pytest.raises(KeyError):
        run("while True:\n    train()\n    raise KeyError('x')\n")


def test_loops_around_see_what_is_within() -> None:
    """A `for` loop over batches is cut where a `while` loop in it runs the network, as it was without that being looked at."""
    text = "for b in batches:\n    step = 0\n    while step < 3:\n        net()\n        step += 1\n    seen.append(b)\n"
    assert len(run(text)["seen"]) == 2


def test_unbounded_run_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "bounds", {})
    assert run("n = 0\nwhile n < 40:\n    train()\n    n += 1\n")["backwards"] == 40
    assert loops._seen[("src/train.py", 2)][:3] == ["rounds", 1, 40]


def test_epochs_are_counted_as_such() -> None:
    run("epoch = 0\nwhile epoch < 9:\n    for b in batches:\n        train()\n    epoch += 1\n")
    assert loops._seen[("src/train.py", 2)][:3] == ["epochs", 1, 1]


@hypothesis_settings(deadline=None)
@given(st.integers(0, 12), st.sampled_from(["n < limit", "n != limit", "not n >= limit", "True"]), st.booleans())
def test_without_the_network_nothing_changes(limit: int, test: str, is_async: bool) -> None:
    body = f"n = 0\nwhile {test}:\n    if n >= limit:\n        break\n    seen.append(n)\n    n += 1\n    if n % 3 == 1:\n        continue\nelse:\n    seen.append('else')\n"
    if is_async:
        body = "async def main():\n" + "".join(f"    {line}\n" for line in body.splitlines()) + "import asyncio\nasyncio.run(main())\n"
    plain: dict[str, Any] = {"seen": [], "limit": limit}
    exec(body, plain)
    assert run(body, limit=limit)["seen"] == plain["seen"]
