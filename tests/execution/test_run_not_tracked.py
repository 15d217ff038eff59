"""Full runs that end well and leave no run at W&B, as the rule sees what probes and the tracker said."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, RunSeen, SessionSeen, Tracked
from gonogo.execution.probe.gonogo_probe.events import Child, Tracking
from gonogo.model.contract import load
from gonogo.rules.tracking.run_not_tracked import run_not_tracked

MODULES = {"src/train.py": Module("src/train.py", "pass\n" * 20), "src/main.py": Module("src/main.py", "pass\n")}


def init(mode: str = "online", **data: Any) -> Tracking:
    return Tracking("init", ("src/train.py", 7), **{"mode": mode, "id": "a", **data})


def failed(error: str) -> Tracking:
    return Tracking("init-failed", ("src/train.py", 8), error=error)


def session(*seen: Tracking, at_tracker: tuple[str, ...] = (), code: int = 0, ended: float | None = 2.0, children: int = 0) -> SessionSeen:
    process = Process(1, 0, [], tracking=list(seen), ended=ended, children=[Child("python -m src.train")] * children)
    run = RunSeen("a", ended=True, code=code, processes={1: process})
    return SessionSeen("rehearsal", {"a": run}, tracked=[Tracked("", "", name, "finished", 1, {}, {}, []) for name in at_tracker])


def messages(seen: SessionSeen) -> list[str]:
    return [f"{found.location.line} {found.message.partition(': ')[2]}" for found in run_not_tracked(seen, MODULES, load("trial-mode"))]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (session(), "None it never calls"),
        (session(init("disabled")), "7 W&B is switched off"),
        (session(failed("TypeError: init() got an unexpected keyword argument")), "8 `wandb.init` fails"),
        (session(failed("UsageError: no entity"), init("disabled")), "7 `wandb.init` fails"),
    ],
)
def test_run_that_nobody_will_find(seen: SessionSeen, told: str) -> None:
    (message,) = messages(seen)
    assert message.startswith(told)


@pytest.mark.parametrize(
    "seen",
    [
        session(init(), at_tracker=("a",)),
        session(init("offline")),
        session(failed("CommError: timed out")),
        session(code=1),
        session(ended=None),
        session(children=1),
        session(at_tracker=("b",)),  # begun where no probe saw it
        SessionSeen("rehearsal", session().runs),  # without a tracker
    ],
)
def test_run_that_is_there_or_may_be(seen: SessionSeen) -> None:
    assert messages(seen) == []
