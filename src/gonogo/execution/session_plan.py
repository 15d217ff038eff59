"""What is run in a session, and what the runs and their probes are told."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.execution.sandbox import Box
from gonogo.model.contract import Command, Contract
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import Run

EVALUATION = "(evaluation)"
RESULTS = "results"
#: Further evaluations: of the same runs, of other numbers under the same names, without the last run.
AGAIN, PERTURBED, MISSING = "again", "perturbed", "missing"
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
        name: `trial`, `rehearsal`, or that of a session of a challenge.
        command: the contract's command.
        bounds: see there.
        tracker: whether a tracker stands by, and the evaluation follows.
        overrides: more overrides for each run.
        alter: what the probe alters, as `gonogo_probe.settings.alter`.
        evaluate: whether the evaluation follows where there is a tracker.
        more: evaluations that follow the first, of `AGAIN`, `PERTURBED` and `MISSING`.
    """

    name: str
    command: Command
    bounds: Bounds
    tracker: bool = False
    overrides: tuple[str, ...] = ()
    alter: Mapping[str, Any] = field(default_factory=dict)
    evaluate: bool = True
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """How one run, or the evaluation, is started.

    Args:
        label: the run id, or `EVALUATION`.
        argv: the command; of an evaluation, `{run_ids}` stands for the runs that ended well, `{results_dir}` for the folder of results.
        environment: variables of its own.
    """

    label: str
    argv: list[str]
    environment: dict[str, str]


class Plan:
    """What the runs of a session are told.

    Args:
        box: where they run.
        python: of the experiment's environment.
        options: the caller's choices.
    """

    def __init__(self, box: Box, python: Path, options: ExecutionOptions) -> None:
        self.python = python
        self.options = options
        self.results = str(box.tree / RESULTS)
        self.client = box.scratch / "client"
        self._box = box
        for name in ("client", "stand-ins", "matplotlib"):
            (box.scratch / name).mkdir()

    def starts(self, stage: Session, runs: Sequence[Run], contract: Contract) -> tuple[list[Start], Start | None]:
        """The runs, and the evaluation where the stage has one."""
        settings = self._give("probe.json", stage, stage.name if stage.name == "trial" else "rehearsal")
        started = []
        for run in runs:
            arguments = [*stage.command.arguments(run.id, self.results), *stage.overrides]
            started.append(self._start(run.id, stage.command.module, arguments, settings))
        if not (stage.tracker and stage.evaluate and contract.evaluation.module):
            return started, None
        settings = self._give("evaluation.json", stage, "evaluation")
        return started, self._start(EVALUATION, contract.evaluation.module, [*contract.evaluation.arguments], settings)

    def _give(self, name: str, stage: Session, mode: str) -> Path:
        """The settings of probes, in a file that runs can read and not write."""
        bounds = {"bounds": {"rows": stage.bounds.rows}, "caps": {}} if mode == "evaluation" else stage.bounds.settings()
        settings = {
            "tree": f"{self._box.tree}/",
            "mode": mode,
            "scratch": str(self._box.scratch / "stand-ins"),
            "standins": list(STANDINS) if self.options.stand_ins else [],
            "plugins": self.options.stand_in_plugins or "",
            "alter": {} if mode == "evaluation" else dict(stage.alter),
            **bounds,
        }
        return self._box.give(name, json.dumps(settings))

    def _start(self, label: str, module: str, arguments: list[str], settings: Path) -> Start:
        environment = {
            "PYTHONPATH": str(PROBE),
            "PYTHONNOUSERSITE": "1",  # the home is the runs' own: one must not put modules there that others would load at their start
            "PYTHONDONTWRITEBYTECODE": "1",
            "GONOGO_PROBE": str(settings),
            "GONOGO_LABEL": label,
            "HYDRA_FULL_ERROR": "0",
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": str(self._box.scratch / "matplotlib"),
            "TQDM_MININTERVAL": "1",
        }
        return Start(label, [str(self.python), "-u", "-m", module, *arguments], environment)

    def jobs(self) -> int:
        """How many runs at one time."""
        return self.options.jobs or max(1, min(MOST_JOBS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
