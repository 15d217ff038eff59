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
    seen = carry(replace(stage, alter={**stage.alter, ACCELERATOR: True}), runs)
    well, stopped = [], []
    for label, run in seen.runs.items():
        sure = run.ok or accelerators.comes_with_one(run.failure() or ())
        if sure and not session.runs[label].ok:
            session.runs[label] = run
        (well if run.ok else stopped).append(label)
    if well:
        session.notes.append(f"Run on a pretended CUDA device, whose tensors know where they would be: {', '.join(well)}.")
    unknown = [label for label in stopped if not accelerators.comes_with_one(seen.runs[label].failure() or ())]
    if unknown:
        last = " ".join(seen.runs[unknown[0]].last_lines(1).split())[-200:]
        session.notes.append(f"Came to no end on a pretended CUDA device, which says nothing of a real one: {', '.join(unknown)} ({last}).")
    return seen


def _needs_one(run: RunSeen) -> bool:
    return not run.ok and not run.late and bool(accelerators.missing(run.failure() or ()))
