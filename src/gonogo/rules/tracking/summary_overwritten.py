"""WDB111."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen, Tracked
from gonogo.execution.probe.gonogo_probe.events import Place
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.observed import judged, located, processes

IN_SUMMARY = "summary:"


@rule("WDB111", "summary-overwritten", criterion=6, severity=Severity.WARNING, stage=Stage.REHEARSAL, settles=("tracking",))
def summary_overwritten(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A summary value is replaced at the end of the run by a row's value of the same name.

    What it does:
        Compares the number that the code wrote into the run's summary under a key, after the last row that has the key, with what the
        tracker has there once the run is over. It speaks only where that row's value took the other's place.

    Why it matters:
        A row that is logged with `step=` and without `commit=True` waits for the next one. At the end of the run it is sent after the
        summary, and W&B puts its values there: the evaluation reads the last batch's or epoch's value for the run's best or its mean.

    Instead:
        Log with `commit=True`, or give the summary's value a name that no row has.
    """
    for run in judged(rehearsal):
        tracked = rehearsal.tracked_as(run.label)
        if tracked is None:
            continue
        for process in processes(run):
            for place, lost in _lost(process, tracked).items():
                named = "what it writes into the summary as " + ", ".join(quoted(sorted(lost)))
                yield Violation(
                    located(place, modules, contract),
                    f"{named} is lost: at the end of the run a row's value of that name stands in its place",
                    "log rows with `commit=True`, or give the summary's value a name that no row has",
                    runs=(run.label,),
                    evidence="; ".join(
                        f"`{key}` was written as {written:.6g}, and is {there:.6g}" for key, (written, there) in lost.items()
                    ),
                )


def _lost(process: Process, tracked: Tracked) -> dict[Place | None, dict[str, tuple[float, float]]]:
    """Return summary values that the last row with the key replaced, with what is there now.

    They are given by the place where they were written.
    """
    found: dict[Place | None, dict[str, tuple[float, float]]] = {}
    for key, row in process.logged.items():
        written = process.logged.get(IN_SUMMARY + key)
        if written is None or written.last is None or written.not_finite or row.turn > written.turn:
            continue  # a row that is logged later is meant to be the newer value
        there = _number(tracked.summary.get(key))
        last = next((_number(line[key]) for line in reversed(tracked.history) if key in line), None)
        if there is not None and last is not None and _same(there, last) and not _same(there, written.last):
            found.setdefault(written.place, {})[key] = (written.last, there)
    return found


def _number(value: object) -> float | None:
    """A number of the tracker's; None for what is none, or is larger than any float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None


def _same(one: float, other: float) -> bool:
    """Whether two numbers are the same, were it that one is in single precision."""
    return math.isclose(one, other, rel_tol=1e-6)


_LOG = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'
_FINISH = "    run.finish()\n"
_SUMMARY = '    run.summary["test_loss"] = test_loss / len(labels)\n'

BAD = Tree(
    {
        "src/train.py": (
            Edit(_LOG, _LOG.replace("})", "}, step=1000)")),
            Edit(_FINISH, _SUMMARY.replace("\n", "  # <- here\n") + _FINISH),
        )
    }
)

GOOD = [
    Tree({"src/train.py": (Edit(_LOG, _LOG.replace("})", "}, step=1000, commit=True)")), Edit(_FINISH, _SUMMARY + _FINISH))}),
    Tree(
        {
            "src/train.py": (
                Edit(_LOG, _LOG.replace("})", "}, step=1000)")),
                Edit(_FINISH, _SUMMARY.replace("test_loss", "loss_each", 1) + _FINISH),
            )
        }
    ),
]
