"""What the driver and the probes are told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.model.contract import Command, Contract
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import Run

STANDINS = ("data", "weights", "downloads")
MOST_JOBS = 2
PROBE = Path(__file__).resolve().parent / "probe"  # comes first in the PYTHONPATH of the runs


@dataclass(frozen=True)
class Bounds:
    """How much code may do.

    Args:
        batches: per loader and batch loop, None for as many as it likes.
        epochs: that the code may count.
        trials: of a search.
        caps: config keys by the last part of their name, with the most that their value may be.
        loops: whether loops of the code itself are cut.
        rows: of a stand-in's data.
    """

    batches: int | None = None
    epochs: int | None = None
    trials: int | None = None
    caps: tuple[tuple[str, int], ...] = ()
    loops: bool = False
    rows: int = 64

    def settings(self) -> dict[str, Any]:
        """As the probe reads them."""
        numbers = {"batches": self.batches, "epochs": self.epochs, "trials": self.trials, "loops": int(self.loops), "rows": self.rows}
        return {"bounds": {name: number for name, number in numbers.items() if number}, "caps": dict(self.caps)}


@dataclass(frozen=True)
class Session:
    """What is run.

    Args:
        name: `trial` or `rehearsal`.
        command: the contract's command.
        bounds: see there.
        tracker: whether a tracker stands by, and the evaluation follows.
        overrides: more overrides for each run.
    """

    name: str
    command: Command
    bounds: Bounds
    tracker: bool = False
    overrides: tuple[str, ...] = ()


class Order:
    """Writes what the driver and the probes are told.

    Args:
        tree: the experiment's copy in the sandbox.
        work: a folder beside it for gonogo's own files.
        python: of the experiment's environment.
        probe_key: with which probes sign.
        options: the caller's choices.
    """

    def __init__(self, tree: Path, work: Path, python: Path, probe_key: str, options: ExecutionOptions) -> None:
        self.tree = tree
        self.work = work
        self.python = python
        self.probe_key = probe_key
        self.options = options

    def probe(self, stage: Session, mode: str | None = None) -> dict[str, Any]:
        """The settings of the probes of a stage."""
        own = mode or stage.name
        settings = {"bounds": {"rows": stage.bounds.rows}, "caps": {}} if own == "evaluation" else stage.bounds.settings()
        return {
            "tree": f"{self.tree}/",
            "mode": own,
            "scratch": str(self.work / "scratch"),
            "standins": list(STANDINS) if self.options.stand_ins else [],
            "plugins": self.options.stand_in_plugins or "",
            **settings,
        }

    def environment(self) -> dict[str, str]:
        """Variables of every process of the session."""
        return {"HYDRA_FULL_ERROR": "0", "MPLBACKEND": "Agg", "MPLCONFIGDIR": str(self.work / "matplotlib"), "TQDM_MININTERVAL": "1"}

    def driver(self, stage: Session, runs: Sequence[Run], contract: Contract, key_descriptor: int) -> dict[str, Any]:
        """The driver's order."""
        results = str(self.tree / "results")
        evaluation = None
        if stage.tracker and contract.evaluation.module:
            arguments = [part.replace("{results_dir}", results) for part in contract.evaluation.arguments]
            evaluation = self._command("(evaluation)", contract.evaluation.module, arguments, "evaluation.json")
        started = [self._run(run, stage, results) for run in runs]
        return {
            "key_descriptor": key_descriptor,
            "tracker": str(self.work / "tracker") if stage.tracker else None,
            "tracked": str(self.work / "tracked.json"),
            "client": str(self.work / "client"),
            "runs": started,
            "run_ids": [run.id for run in runs],
            "jobs": self.options.jobs or max(1, min(MOST_JOBS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)),
            "evaluation": evaluation,
            "keep_going": True,
        }

    def _run(self, run: Run, stage: Session, results: str) -> dict[str, Any]:
        arguments = [*stage.command.arguments(run.id, results), *stage.overrides]
        return self._command(run.id, stage.command.module, arguments, "probe.json")

    def _command(self, label: str, module: str, arguments: list[str], settings: str) -> dict[str, Any]:
        environment = {
            "PYTHONPATH": str(PROBE),
            "GONOGO_PROBE": str(self.work / settings),
            "GONOGO_PROBE_KEY": self.probe_key,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        argv = [str(self.python), "-u", "-m", module, *arguments]
        return {"label": label, "argv": argv, "cwd": str(self.tree), "env": environment, "seconds": self.options.run_timeout}
