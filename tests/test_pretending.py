"""Which runs are made on a pretended accelerator, and what is made of what they show."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.engine.pretending import MOST_RUNS, MOST_SECONDS, pretend, runs_for
from gonogo.execution.accelerators import comes_with_one
from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Raised
from gonogo.execution.session_plan import ACCELERATOR, Bounds, Session
from gonogo.model.contract import Command
from gonogo.model.runs import Run

USES = [Module("train.py", "import torch\nnet.to('cuda')\n")]
STAGE = Session("trial", Command(module="train", overrides=[]), Bounds(batches=4, epochs=3), again=lambda run: True)
WANT = "Torch not compiled with CUDA enabled"
MISMATCH = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (in add)"


def run_of(name: str) -> Run:
    return Run(name, None, "", None, False)


def seen_run(name: str, fails_with: str = "", placed: int = 1, doubt: bool = False) -> RunSeen:
    kind, _, message = fails_with.rpartition("Error: ")
    raised = Raised(f"{kind or 'Runtime'}Error", "builtins", message, [("train.py", 2, "main")], bool(kind), "")
    failures = [[raised]] if fails_with else []
    process = Process(1, 0, [], failures=failures, altered={ACCELERATOR: placed} if placed else {})
    if doubt:
        process.unaltered[ACCELERATOR] = "nobody saw it"
    return RunSeen(name, code=1 if fails_with else 0, ended=True, processes={1: process}, output=[("stderr", fails_with)])


def session_of(*runs: RunSeen, problem: str = "") -> SessionSeen:
    return SessionSeen("trial", runs={run.label: run for run in runs}, problem=problem)


def test_what_needs_an_accelerator_is_made_again_and_nothing_else() -> None:
    session = session_of(seen_run("a"), seen_run("b", WANT), seen_run("c", "no such column"))
    assert [run.id for run in runs_for(session, [run_of(name) for name in "abc"], USES)] == ["b"]


def test_of_runs_that_end_well_a_few_are_made_again() -> None:
    names = [f"run-{number}" for number in range(MOST_RUNS + 3)]
    session = session_of(*map(seen_run, names))
    assert [run.id for run in runs_for(session, [run_of(name) for name in names], USES)] == names[:MOST_RUNS]


@pytest.mark.parametrize(
    ("text", "problem"), [("import torch\nnet(batch)\n", ""), ("cuda = 'a name'\n", "the disk was full"), ("cudaless = 1\n", "")]
)
def test_code_that_uses_none_is_not_made_again(text: str, problem: str) -> None:
    session = session_of(seen_run("a"), problem=problem)
    assert runs_for(session, [run_of("a")], [Module("train.py", text)]) == []


def test_fewer_batches_do_where_all_else_was_seen() -> None:
    asked: list[Session] = []

    def carry(stage: Session, runs: Sequence[Run]) -> SessionSeen:
        asked.append(stage)
        return session_of(seen_run("a"))

    pretend(session_of(seen_run("a")), STAGE, [run_of("a")], carry)
    slow = seen_run("a")
    slow.seconds = 100.0
    pretend(session_of(slow), STAGE, [run_of("a")], carry)
    pretend(session_of(seen_run("a", WANT)), STAGE, [run_of("a")], carry)
    assert [stage.bounds.batches for stage in asked] == [2, 2, 4]
    assert [stage.seconds for stage in asked] == [MOST_SECONDS, 400.0, None]
    assert [stage.again is None for stage in asked] == [True, True, False]
    assert all(stage.alter == {ACCELERATOR: True} for stage in asked)


@pytest.mark.parametrize(
    ("before", "after", "counts", "note"),
    [
        (WANT, "", True, "Run on a pretended CUDA device"),
        (WANT, MISMATCH, True, ""),
        (WANT, "KeyError: 'labels'", True, ""),
        (WANT, "AttributeError: module 'timm' has no attribute 'optim'", True, ""),
        (
            WANT,
            "AttributeError: 'types.SimpleNamespace' object has no attribute 'warp_size'",
            False,
            "Came to no end on a pretended CUDA device",
        ),
        (WANT, "mat1 and mat2 shapes cannot be multiplied (4x8 and 6x2)", True, ""),
        (WANT, "expected scalar type Half but found Float", False, "Came to no end on a pretended CUDA device"),
        (WANT, "ValueError: too small", False, "Came to no end on a pretended CUDA device"),
        (WANT, "no such kernel", False, "Came to no end on a pretended CUDA device"),
        ("", "", False, "Run on a pretended CUDA device"),
        ("", MISMATCH, False, ""),
        ("", "no such kernel", False, "Came to no end on a pretended CUDA device"),
    ],
)
def test_what_is_seen_counts_where_nothing_was_seen_before(before: str, after: str, counts: bool, note: str) -> None:
    session, other = session_of(seen_run("a", before)), seen_run("a", after)
    seen = pretend(session, STAGE, [run_of("a")], lambda stage, runs: session_of(other))
    assert seen.runs["a"] is other
    assert (session.runs["a"] is other) is counts
    assert len(session.notes) == bool(note)
    assert note in "".join(session.notes)


def test_run_that_put_nothing_there_is_not_told() -> None:
    session = session_of(seen_run("a"))
    pretend(session, STAGE, [run_of("a")], lambda stage, runs: session_of(seen_run("a", placed=0)))
    assert session.notes == []


def test_doubt_is_told() -> None:
    session = session_of(seen_run("a"), seen_run("b"))
    pretend(session, STAGE, [run_of("a"), run_of("b")], lambda stage, runs: session_of(seen_run("a"), seen_run("b", doubt=True)))
    (note,) = session.notes
    assert "a, b (of b it is not known of every tensor)" in note


@pytest.mark.parametrize(
    ("message", "does"),
    [
        (MISMATCH, True),
        ("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.", True),
        ("Attempting to unscale FP16 gradients.", True),
        ("CUDA error: no kernel image is available", False),
        ("The size of tensor a (3) must match the size of tensor b (4)", False),
    ],
)
def test_failures_that_come_with_an_accelerator(message: str, does: bool) -> None:
    assert comes_with_one([Raised("RuntimeError", "builtins", message, [], False, "")]) is does
