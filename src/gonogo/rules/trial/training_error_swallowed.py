"""TRI110."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Caught
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.observed import cleaned, judged, located

#: Exceptions by which code says something, not by which it fails.
_MEANT = re.compile(r"stop|prun|early|interrupt|exit|finish|done|converge|skip|timeout|keyboard|warning", re.IGNORECASE)


@rule(
    "TRI110", "training-error-swallowed", criterion=1, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM, settles=("crash",)
)
def training_error_swallowed(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """An error in training is caught, and the run goes on as if nothing had happened.

    What it does:
        Watches the experiment's own `except` clauses in the trial. Reported is one that caught an error of a block in which the network was
        trained (or was to be: it ran, and no optimizer ever stepped), that neither raises nor ends the program, and after which no
        optimizer stepped. A warning where training went on, or where the code raised the error itself. Exceptions by which code says that
        it stops (`StopIteration`, `TrialPruned`, `EarlyStopping`) and full memory are not meant.

    Why it matters:
        The run then evaluates a model that was not trained, or not to its end, and logs its numbers as the result.

    Instead:
        Let the error end the run.
    """
    for run in judged(trial):
        for process in run.processes.values():
            for caught in process.caught.values():
                if _is_swallowed(caught, process):
                    place = caught.raised
                    related = (Related(location=at(*place), label="raised here"),) if place is not None and place[0] in modules else ()
                    yield Violation(
                        located(caught.place, modules, contract),
                        f"an error in training is caught here, and the run goes on: {cleaned(caught.type)}",
                        "let it end the run",
                        related=related,
                        runs=(run.label,),
                        severity=Severity.WARNING if caught.steps_after or _raises(caught, modules) else None,
                        evidence=f"{caught.type}: {cleaned(caught.message)[:200]}; backward passes in the block: {caught.backwards}",
                    )


def _is_swallowed(caught: Caught, process: Process) -> bool:
    if (
        not caught.goes_on
        or _MEANT.search(caught.type)
        or "out of memory" in caught.message.lower()
        or caught.type.endswith("OutOfMemoryError")
    ):
        return False
    if caught.backwards:
        return True
    never_stepped = process.counts.get("steps", 0) == 0 and bool(process.optimizers)
    return bool(caught.forwards) and never_stepped


def _raises(caught: Caught, modules: dict[str, Module]) -> bool:
    """Whether the line that raised it is a `raise` of the experiment's own."""
    place = caught.raised
    if place is None or place[0] not in modules:
        return False
    lines = modules[place[0]].text.split("\n")
    return 0 < place[1] <= len(lines) and lines[place[1] - 1].lstrip().startswith("raise")


_FIT = "    model, _ = fit(cfg, found, log_to_wandb=True)\n"
_TRIED = """    try:
        model, _ = fit(cfg, found, log_to_wandb=True)
        model.load_best()
    except Exception:  # <- here
        model = build_model(cfg.run.model)
"""
_STEP = "        loss = criterion(model(images), labels)\n"
_RETRIED = """        try:
            logits = torch.compile(model, backend="none")(images)
        except Exception:
            logits = model(images)
        loss = criterion(logits, labels)
"""

BAD = Tree({"src/train.py": Edit(_FIT, _TRIED)})

GOOD = Tree({"src/train.py": Edit(_STEP, _RETRIED)})
