"""What a stage saw of its runs, for reports: the clock, what was logged, what the networks answered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.execution.session_plan import EVALUATION
from gonogo.model.verdict import AnswersReport, CurveReport, RunReport

MOST_CURVES = 16  # of one run
MOST_POINTS = 200  # of one curve: evenly taken from it
MOST_CLASSES = 1000


def every_run(session: SessionSeen) -> list[RunSeen]:
    """The runs of a session, and its evaluation."""
    return [*session.runs.values(), *([session.evaluation] if session.evaluation else [])]


def timeline(session: SessionSeen) -> list[RunReport]:
    """The runs of a session on its own clock."""
    every = every_run(session)
    begun = min((run.started for run in every), default=0.0)
    return [
        RunReport(
            run="evaluation" if run.label == EVALUATION else run.label,
            status="ok" if run.ok else "late" if run.late else "failed",
            started=round(run.started - begun, 3),
            seconds=run.seconds,
            phases=_phases(run),
            peak_memory_mb=round(max((process.peak_memory for process in run.processes.values()), default=0) / 1e6, 1),
            curves=[] if run is session.evaluation else list(_curves(run, session))[:MOST_CURVES],
            answers=[] if run is session.evaluation else list(_answers(run)),
        )
        for run in every
    ]


def _phases(run: RunSeen) -> dict[str, float]:
    latest: dict[str, float] = {}
    for process in run.processes.values():
        for name, at in process.marks.items():
            if name in ("task", "network", "wandb init", "wandb finish"):
                latest[name] = max(latest.get(name, 0.0), round(at - run.started, 3))
    return latest


def _curves(run: RunSeen, session: SessionSeen) -> Iterator[CurveReport]:
    """The losses that a run's backward passes began at, by place; then what it logged, by key."""
    tracked = session.tracked_as(run.label)
    points: dict[str, list[tuple[float, float]]] = {}
    for process in run.processes.values():
        for number, loss in enumerate(process.losses):
            shown = _number(loss.value)
            if shown is not None:
                points.setdefault(f"loss of each backward pass ({loss.path}:{loss.line})", []).append((float(number), shown))
    for number, row in enumerate(tracked.history if tracked is not None else ()):
        step = _number(row.get("_step"))
        for key, value in row.items():
            shown = _number(value)
            if shown is not None and not key.startswith("_"):
                points.setdefault(key, []).append((float(number) if step is None else step, shown))
    for key, found in points.items():
        few = found[:: -(-len(found) // MOST_POINTS)]
        yield CurveReport(name=key, steps=[step for step, _ in few], values=[value for _, value in few])


def _answers(run: RunSeen) -> Iterator[AnswersReport]:
    for process in run.processes.values():
        for answers in process.answers.values():
            if answers.rows and len(answers.histogram) <= MOST_CLASSES:
                yield AnswersReport(classes=answers.classes, rows=answers.rows, counts=list(answers.histogram), broken=answers.broken)


def _number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
