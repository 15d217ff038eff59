"""TRI102."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Place
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located

LOOPS_OVER_DATA = ("items", "slices")


@rule("TRI102", "trial-too-many-batches", criterion=9, severity=Severity.ERROR, stage=Stage.TRIAL, settles=("trial",))
def trial_too_many_batches(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A trial goes through more batches than the contract allows, or through more than one epoch.

    What it does:
        Counts in the trial with how many batches of each data loader a network runs in one pass, how many each loop of the code itself
        puts through the network, and how many rounds loops over epochs make. Of a pass in which no network runs, all batches count but
        one at which the loop is left. A pass is cut when it has gone well beyond the limit.

    Why it matters:
        A trial that trains in earnest costs what the run costs, and nobody runs it.

    Instead:
        Stop every loader after the contract's number of batches and training after one epoch where the trial flag is set.
    """
    most = contract.trial.max_batches
    for run in trial.runs.values():
        for process in run.processes.values():
            for place, what in _beyond(process, most):
                yield Violation(
                    located(place, modules, contract),
                    f"the trial {what}",
                    f"stop after {most} batches of one epoch where `{contract.trial.key}` says that it is a trial",
                    runs=(run.label,),
                )


def _beyond(process: Process, most: int) -> Iterator[tuple[Place | None, str]]:
    told: set[Place | None] = set()
    for loader in process.loaders.values():
        if max(loader.used_batches, default=0) > most:
            place = loader.used[0] if loader.used else loader.place
            if place not in told:
                told.add(place)
                yield place, f"goes through more than {most} batches of a loader"
    for loop in process.loops.values():
        if loop.role in LOOPS_OVER_DATA and loop.batches > most and loop.place not in told:
            told.add(loop.place)
            yield loop.place, f"puts more than {most} batches through the network in one loop"
    for loop in process.loops.values():
        if loop.role == "epochs" and loop.batches > 1:
            yield loop.place, "runs more than one epoch"


_TRIAL = "    epochs = 1 if cfg.trial_mode else cfg.run.training.epochs\n"

BAD = [
    Tree(
        {
            "src/train.py": (
                Edit(_TRIAL, "    epochs = cfg.run.training.epochs\n"),
                Edit("    for epoch in range(1, epochs + 1):\n", "    for epoch in range(1, epochs + 1):  # <- here\n"),
            )
        }
    ),
    Tree(
        {
            "src/preprocess.py": Edit(
                "indices[: TRIAL_BATCHES * dataset_cfg.batch_size] if trial_mode else indices",
                "indices if trial_mode and split == 'train' else indices[: TRIAL_BATCHES * dataset_cfg.batch_size]",
            ),
            "src/train.py": Edit("    for images, labels in loader:\n", "    for images, labels in loader:  # <- here\n"),
        }
    ),
]

GOOD = Tree()
