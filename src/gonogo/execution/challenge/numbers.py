"""The numbers of a session, and whether two sessions have the same numbers.

They are what runs logged, what networks did and what the evaluation wrote.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gonogo.execution.observations import Process, RunSeen, SessionSeen, Tracked

Values = tuple[float, ...]
#: How far a number may be off, relative to itself, and still be the same: sums in another order, not another computation.
TOLERANCE = 1e-5
#: The same for a repetition with the same seed.
REPEATS = 1e-3
#: Rows that come from the probe, not from what is logged.
LOSSES, UPDATES, PREDICTIONS = "(losses)", "(updates)", "(predictions)"
MOST_VALUES = 2000  # of one number
MOST_NUMBERS = 400  # of one run, or of the evaluation
_TIME = re.compile(r"time|second|latency|memory|speed|throughput|per_s|duration|timestamp|runtime", re.IGNORECASE)


def is_time(name: str) -> bool:
    """Whether a number measures the machine by its name, and differs each time."""
    return _TIME.search(name) is not None


def logged(tracked: Tracked) -> dict[str, Values]:
    """What a run logged, by key: the rows in order, or the summary's value where no row has the key."""
    found: dict[str, list[float]] = {}
    for row in tracked.history:
        for key, value in row.items():
            _gather(found, key, value)
    rows = set(found)
    for key, value in tracked.summary.items():
        if key not in rows:
            _gather(found, key, value)
    return _settled(found)


def written(texts: Mapping[str, str]) -> dict[str, Values]:
    """Return what an evaluation wrote into its JSON files, by `path: key`.

    The items of a list count together as one number.
    """
    found: dict[str, list[float]] = {}
    for path in sorted(texts):
        try:
            content = json.loads(texts[path])
        except (ValueError, RecursionError):
            continue
        _gather(found, f"{path}:", content)
    return _settled(found)


def _gather(found: dict[str, list[float]], key: str, value: Any, depth: int = 0) -> None:
    if isinstance(value, bool) or depth > 8 or (depth == 0 and key.startswith("_")):
        return
    if isinstance(value, int | float):
        into = found.setdefault(key, [])
        if len(into) < MOST_VALUES:
            into.append(float(value))
    elif isinstance(value, dict):
        for name, entry in value.items():
            if not str(name).startswith("_"):
                _gather(found, f"{key} {name}" if key.endswith(":") else f"{key}.{name}", entry, depth + 1)
    elif isinstance(value, list):
        for entry in value:
            _gather(found, key, entry, depth + 1)


def _settled(found: dict[str, list[float]]) -> dict[str, Values]:
    return {key: tuple(values) for key, values in list(found.items())[:MOST_NUMBERS] if not is_time(key)}


def seen(run: RunSeen) -> dict[str, Values]:
    """Return what the probe observed of a run.

    That is losses, what the first optimizer steps changed, and sums over predictions.
    """
    found: dict[str, Values] = {}
    losses = [float(value) for process in in_order(run) for value, _, _ in process.losses]
    updates = [float(value) for process in in_order(run) for each in process.optimizers.values() for value in each.updates]
    sums = [value for process in in_order(run) for prediction in process.predictions for value in prediction.sums]
    for name, values in ((LOSSES, losses), (UPDATES, updates), (PREDICTIONS, sums)):
        if values:
            found[name] = tuple(values)
    return found


def in_order(run: RunSeen) -> Iterator[Process]:
    """A run's processes as they were started."""
    return iter(sorted(run.processes.values(), key=lambda process: process.started))


def of_run(session: SessionSeen, run_id: str) -> dict[str, Values] | None:
    """All numbers of a run in a session, None where it did not end well."""
    run = session.runs.get(run_id)
    if run is None or not run.ok:
        return None
    tracked = session.tracked_as(run_id)
    return {**(logged(tracked) if tracked else {}), **seen(run)}


def moved(one: Values, other: Values, tolerance: float = TOLERANCE) -> bool:
    """Whether a number is another one."""
    return len(one) != len(other) or any(_differ(first, second, tolerance) for first, second in zip(one, other, strict=True))


def _differ(one: float, other: float, tolerance: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return repr(one) != repr(other)
    return abs(one - other) > tolerance * max(abs(one), abs(other), 1e-9)
