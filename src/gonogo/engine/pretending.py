"""Runs on a pretended accelerator: those that need one, and those that would use one if it were there.

The sandbox shows no accelerator, so that a trial sees nothing of what goes wrong only with one, and comes to no end where code insists
on one. The probe then pretends a CUDA device (`gonogo_probe.accelerator`): numbers are computed on the CPU, and tensors know where they
would be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gonogo.analysis.python.modules import Module
from gonogo.execution import accelerators
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.execution.session_plan import ACCELERATOR, Session
from gonogo.model.runs import Run

MOST_RUNS = 4  # of those that ended well: their programs are mostly the same
# Seconds of one that ended well, or so many times what it took: most that goes wrong does so at the first batch.
MOST_SECONDS, TIMES = 60.0, 4
#: Code with these may put tensors on an accelerator.
_MAY_USE_ONE = re.compile(r"\bcuda\b|\bdevice\b|\bAccelerator\b|\baccelerator\b|\bTrainer\b")


def runs_for(session: SessionSeen, runs: Sequence[Run], modules: Iterable[Module]) -> list[Run]:
    """The runs that are made once more on a pretended accelerator.

    Args:
        session: the trial.
        runs: what was run in it.
        modules: the experiment's modules.
    """
    if session.problem or not any(module.mentions(_MAY_USE_ONE) for module in modules):
        return []
    seen = [(run, session.runs[run.id]) for run in runs if run.id in session.runs]
    needing = [run for run, of in seen if _needs_one(of)]
    return needing or [run for run, of in seen if of.ok][:MOST_RUNS]


def pretend(session: SessionSeen, stage: Session, runs: list[Run], carry: Callable[[Session, Sequence[Run]], SessionSeen]) -> SessionSeen:
    """Make runs on a pretended accelerator.

    What it shows of a run that came to no end without one takes the place of what was seen before.

    Args:
        session: the trial; changed.
        stage: how it was run.
        runs: of `runs_for`.
        carry: runs a session.

    Returns: what was seen.
    """
    stage = replace(stage, alter={**stage.alter, ACCELERATOR: True})
    if all(session.runs[run.id].ok for run in runs):  # all else was seen: two batches show where tensors are
        seconds = max(MOST_SECONDS, *(TIMES * session.runs[run.id].seconds for run in runs))
        stage = replace(stage, bounds=replace(stage.bounds, batches=2, epochs=1), again=None, seconds=seconds)
    seen = carry(stage, runs)
    for label, run in seen.runs.items():
        if not session.runs[label].ok and (run.ok or accelerators.fails_there(run.failure() or [])):
            session.runs[label] = run
    session.notes += _told(seen)
    return seen


def _told(seen: SessionSeen) -> list[str]:
    """What a reader must know of runs that put tensors on the pretended device."""
    used = [run for run in seen.runs.values() if any(process.altered.get(ACCELERATOR) for process in run.processes.values())]
    well = [run for run in used if run.ok]
    part = [run.label for run in well if any(ACCELERATOR in process.unaltered for process in run.processes.values())]
    found = []
    if well:
        doubt = f" (of {', '.join(part)} it is not known of every tensor)" if part else ""
        found.append(f"Run on a pretended CUDA device, whose tensors know where they would be: {_names(well)}{doubt}.")
    unknown = [run for run in used if not run.ok and not accelerators.fails_there(run.failure() or [])]
    if unknown:
        last = "its time was up" if unknown[0].late else " ".join(unknown[0].last_lines(1).split())[-200:]
        found.append(f"Came to no end on a pretended CUDA device, which says nothing of a real one: {_names(unknown)} ({last}).")
    return found


def _names(runs: list[RunSeen]) -> str:
    return ", ".join(run.label for run in runs)


def _needs_one(run: RunSeen) -> bool:
    return not run.ok and not run.late and bool(accelerators.missing(run.failure() or ()))
