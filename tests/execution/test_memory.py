"""A run that takes too much memory: it is asked where it is, and the others go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gonogo.engine.running import CUTS
from gonogo.execution.causes import excuse, may_be_for_bounds
from gonogo.execution.interpreter_folders import locate
from gonogo.execution.observations import Process, RunSeen
from gonogo.execution.probe.gonogo_probe.events import Loader, Network
from gonogo.execution.session import carry_out
from gonogo.execution.session_plan import Session
from gonogo.model import contract as contracts
from gonogo.model import plan as plans
from gonogo.model.experiment import Experiment, SourceFile
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import collect_runs

EATS = """\
import sys
import time


def load():
    rows = []
    while True:
        rows.append(bytearray(b"x" * (4 << 20)))
        time.sleep(0.001)


if "run=eats" in sys.argv:
    load()
print("done")
"""
FILES = {
    "src/main.py": EATS,
    "config/config.yaml": "defaults:\n  - _self_\n  - run: ???\ntrial_mode: false\nresults_dir: results\n",
    "config/run/eats.yaml": "run_id: eats\n",
    "config/run/other.yaml": "run_id: other\n",
}


@pytest.mark.slow
def test_run_that_takes_too_much_is_told_with_its_place_and_ends_no_other() -> None:
    contract = contracts.load("trial-mode")
    plan = plans.parse("runs: [{run_id: eats}, {run_id: other}]", "plan.yaml")
    experiment = Experiment("memory", {path: SourceFile(path, text) for path, text in FILES.items()}, plan)
    options = ExecutionOptions(run_timeout=60, memory_gib=0.4, python=sys.prefix)
    runs = collect_runs(experiment, contract)
    session = carry_out(Session("trial", contract.commands["trial"], CUTS), experiment, runs, contract, locate(Path(sys.prefix)), options)
    assert session.problem == ""
    assert session.runs["other"].ok, session.runs["other"].last_lines()
    seen = session.runs["eats"]
    assert seen.starved and not seen.late and not seen.ok
    told = excuse(seen.failure(), seen, {})
    assert told.startswith("it was ended: more than 410 MiB of memory at src/main.py:"), told
    assert "in `load`" in told and told.endswith("before any network ran")


def test_what_it_held_is_told() -> None:
    nets = [Network("Net", 12_345_678, 10, False), Network("Head", 100, 100, True), Network("Old", 5, 5, False)]
    loaders = {1: Loader(("src/a.py", 3), 16, 1, [1], []), 2: Loader(("src/a.py", 4), 2_048, 1, [1], [])}
    seen = RunSeen("a", ended=True, starved=True, unsettled="it was ended: more than 8 GiB of memory")
    seen.processes[1] = Process(1, 0, [], networks=nets, loaders=loaders, bounded={"epochs": (9, 1)})
    told = "it was ended: more than 8 GiB of memory, with `Net` with 12,345,678 parameters and `Old` with 5 parameters and batches of 2,048 rows"
    assert excuse(None, seen, {}) == told
    assert not may_be_for_bounds(seen)
