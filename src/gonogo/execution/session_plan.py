"""What is run in a session, and what the runs and their probes are told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gonogo.execution.interpreter_folders import Interpreter
from gonogo.execution.observations import RunSeen
from gonogo.execution.program import arguments_of
from gonogo.execution.sandbox import Box
from gonogo.model.contract import Command, Contract
from gonogo.model.options import ExecutionOptions, ProgramCommand
from gonogo.model.runs import Run

EVALUATION = "(evaluation)"
RESULTS = "results"
#: Further evaluations: of the same runs, of other numbers under the same names, without the last run.
AGAIN, PERTURBED, MISSING = "again", "perturbed", "missing"
ACCELERATOR = "accelerator"  # of `Session.alter`: the probe pretends one
STANDINS = ("data", "weights", "downloads")
MOST_JOBS = 2
MOST_ASKING = 30  # seconds of one pass that trains nothing, where a run is made again
PROBE = Path(__file__).resolve().parent / "probe"  # comes first in the PYTHONPATH of the runs


@dataclass(frozen=True)
class Bounds:
    """How much code may do.

    Args:
        batches: per loader and batch loop, None for as many as it likes.
        epochs: that the code may count.
        trials: of a search.
        caps: patterns for the last part of a config key's whole name, with the most that its value may be.
        loops: whether loops of the code itself are cut.
        rows: of a stand-in's data.
        seconds: after which a pass over a loader ends, though not before its second batch.
        asks: seconds for which a pass that only asks a network, and trains none, goes on to its end; None where it is cut as others are.
    """

    batches: int | None = None
    epochs: int | None = None
    trials: int | None = None
    caps: tuple[tuple[str, int], ...] = ()
    loops: bool = False
    rows: int = 64
    seconds: int | None = None
    asks: int | None = None

    def settings(self) -> dict[str, Any]:
        """As the probe reads them."""
        numbers = {"batches": self.batches, "epochs": self.epochs, "trials": self.trials, "loops": int(self.loops), "rows": self.rows}
        numbers |= {"seconds": self.seconds, "asks": self.asks}
        return {"bounds": {name: number for name, number in numbers.items() if number}, "caps": [list(cap) for cap in self.caps]}


def unlowered(bounds: Bounds, is_any_program: bool) -> Bounds:
    """Bounds that leave the config as it is; of loops over epochs the first and the last round.

    Of any program they also leave whole what only asks a network. Runs of a contract are compared: there all are cut alike.
    """
    asks = MOST_ASKING if is_any_program else None
    return replace(bounds, caps=(), epochs=None if bounds.epochs is None else max(2, bounds.epochs), asks=asks)


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
        again: of which failed runs one more try is made, with the config as it is; None for none.
        as_they_are: run ids whose config is not lowered at all.
        program: what is started in the place of the contract's command.
        seconds: for each run, where that is less than the caller's limit; None for that.
    """

    name: str
    command: Command
    bounds: Bounds
    tracker: bool = False
    overrides: tuple[str, ...] = ()
    alter: Mapping[str, Any] = field(default_factory=dict)
    evaluate: bool = True
    more: tuple[str, ...] = ()
    again: Callable[[RunSeen], bool] | None = None
    as_they_are: tuple[str, ...] = ()
    program: ProgramCommand | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Start:
    """How one run, or the evaluation, is started.

    Args:
        label: the run id, or `EVALUATION`.
        argv: the command; of an evaluation, `{run_ids}` stands for the runs that ended well, `{results_dir}` for the folder of results.
        environment: variables of its own.
        folder: where it starts, below the tree.
    """

    label: str
    argv: list[str]
    environment: dict[str, str]
    folder: str = ""


class Plan:
    """What the runs of a session are told.

    Args:
        box: where they run.
        interpreter: the Python of the experiment's environment.
        options: the caller's choices.
    """

    def __init__(self, box: Box, interpreter: Interpreter, options: ExecutionOptions) -> None:
        self.interpreter = interpreter
        self.options = options
        self.results = str(box.tree / RESULTS)
        self.client = box.scratch / "client"
        self._box = box
        self._unlowered = Path()
        for name in ("client", "stand-ins", "matplotlib"):
            (box.scratch / name).mkdir()

    def starts(self, stage: Session, runs: Sequence[Run], contract: Contract) -> tuple[list[Start], Start | None]:
        """The runs, and the evaluation where the stage has one."""
        mode = "program" if stage.program else stage.name if stage.name == "trial" else "rehearsal"
        settings = self._give("probe.json", stage, mode)
        self._unlowered = self._give("unlowered.json", replace(stage, bounds=unlowered(stage.bounds, stage.program is not None)), mode)
        if stage.program is not None:
            argv, environment = arguments_of(stage.program, self.interpreter), {"WANDB_MODE": "offline", **stage.program.environment}
            own = [str(self._box.tree / path) for path in stage.program.paths]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH", ""), *own]))
            return [self._start(run.id, argv, settings, stage.program.folder, environment) for run in runs], None
        started = []
        for run in runs:
            arguments = [*stage.command.arguments(run.id, self.results), *stage.overrides]
            started.append(self._start(run.id, self._module(stage.command.module, arguments), settings))
        started = [self.unlowered(start) if start.label in stage.as_they_are else start for start in started]
        if not (stage.tracker and stage.evaluate and contract.evaluation.module):
            return started, None
        settings = self._give("evaluation.json", stage, "evaluation")
        return started, self._start(EVALUATION, self._module(contract.evaluation.module, contract.evaluation.arguments), settings)

    def _module(self, module: str, arguments: Sequence[str]) -> list[str]:
        return [str(self.interpreter.python), "-u", "-m", module, *arguments]

    def unlowered(self, start: Start) -> Start:
        """The same run with its config as it is."""
        return replace(start, environment={**start.environment, "GONOGO_PROBE": str(self._unlowered)})

    def _give(self, name: str, stage: Session, mode: str) -> Path:
        """The settings of probes, in a file that runs can read and not write."""
        bounds = {"bounds": {"rows": stage.bounds.rows}, "caps": []} if mode == "evaluation" else stage.bounds.settings()
        settings = {
            "tree": f"{self._box.tree}/",
            "mode": mode,
            "scratch": str(self._box.scratch / "stand-ins"),
            "standins": list(STANDINS) if self.options.stand_ins else [],
            "plugins": self.options.stand_in_plugins or "",
            "alter": {what: how for what, how in stage.alter.items() if mode != "evaluation" or what == ACCELERATOR},
            **bounds,
        }
        return self._box.give(name, json.dumps(settings))

    def _start(self, label: str, argv: list[str], settings: Path, folder: str = "", more: Mapping[str, str] | None = None) -> Start:
        environment = {
            **(more or {}),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(PROBE), (more or {}).get("PYTHONPATH", "")])),
            "PYTHONNOUSERSITE": "1",  # the home is the runs' own: one must not put modules there that others would load at their start
            "PYTHONDONTWRITEBYTECODE": "1",
            "GONOGO_PROBE": str(settings),
            "GONOGO_LABEL": label,
            "HYDRA_FULL_ERROR": "0",
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": str(self._box.scratch / "matplotlib"),
            "TQDM_MININTERVAL": "1",
        }
        return Start(label, argv, environment, folder)

    def jobs(self) -> int:
        """How many runs at one time."""
        return self.options.jobs or max(1, min(MOST_JOBS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
