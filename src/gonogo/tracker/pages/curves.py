"""Curves of what runs logged, sampled for the screen.

A metric that is logged with every row takes its points from one sample of all rows. One that is logged now and then has its own sample, or
too few of its points would be in the common one. Metrics that were logged equally often were most likely logged together: one of them is
searched for, and the others are looked up in the rows where it was found.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from gonogo.tracker.pages.listing import parsed
from gonogo.tracker.store import Store
from gonogo.tracker.store.history import MISSING, Place, evenly, lookup

POINTS = 1000
SYSTEM = "system/"
EVENTS = "wandb-events.jsonl"
LIMIT_OF_METRICS = 2000
# To see what is in objects, rows must be searched.
LIMIT_OF_SEARCHED = 20
DEEPEST = 6
TIMES = ("_step", "_runtime", "_timestamp")

Rows = dict[Place, dict[str, Any]]


class Curves:
    """The curves of one run."""

    def __init__(self, store: Store, run: sqlite3.Row) -> None:
        self._store = store
        self._run: int = run["id"]
        self._connection = store.database.read()
        self._parsed: Rows = {}

    def names(self) -> list[str]:
        """Names of all metrics with numbers, the system's among them."""
        found: list[str] = []
        searched = 0
        for metric in self._store.history.metrics(self._run):
            name, kind = metric["name"], metric["kind"]
            if name.startswith("_"):
                continue
            if kind in ("number", "boolean"):
                found.append(name)
            elif kind in ("object", "null") and searched < LIMIT_OF_SEARCHED:
                searched += 1
                found += self._inside(name)
        return found[:LIMIT_OF_METRICS] + self._system_names()

    def sampled(self, names: Iterable[str], count: int) -> list[dict[str, Any]]:
        """Return curves of some metrics as grids.

        A grid has `step`, `runtime` and `wall`, and under `curves` what has values there, by name.

        What is not a number is None: it is a gap in the curve.
        """
        names = [*dict.fromkeys(names)]
        grids: dict[tuple[Place, ...], dict[str, Any]] = {}
        for steps, together in self._groups([name for name in names if not name.startswith(SYSTEM)], count):
            rows = self._rows(steps)
            for name in together:
                _add(grids, rows, name)
        system = [name for name in names if name.startswith(SYSTEM)]
        beside: dict[tuple[Place, ...], dict[str, Any]] = {}
        if system:
            events = self._events(count)
            for name in system:
                _add(beside, events, name, name.removeprefix(SYSTEM))
        return [*grids.values(), *beside.values()]

    def _groups(self, names: Sequence[str], count: int) -> Iterable[tuple[Sequence[Place], list[str]]]:
        """Metrics that are sampled at the same rows."""
        (total,) = self._connection.execute("SELECT rows FROM run WHERE id = ?", (self._run,)).fetchone() or (0,)
        logged = {row["name"]: row["rows"] for row in self._store.history.metrics(self._run)}
        alike: dict[int, list[str]] = {}
        for name in names:
            head = _head(name, logged)
            if head is not None:
                alike.setdefault(logged[head], []).append(name)
        for rows, together in alike.items():
            if rows >= total:
                yield evenly(self._store.history.places(self._run), count), together
                continue
            while together:
                head = str(_head(together[0], logged))
                places = evenly(self._store.history.places_with(self._run, [head]), count)
                found = self._rows(places)
                fitting = [
                    name for name in together[1:] if sum(lookup(row, name) is not MISSING for row in found.values()) >= 0.9 * len(found)
                ]
                yield places, [together[0], *fitting]
                together = [name for name in together[1:] if name not in fitting]

    def _rows(self, places: Sequence[Place]) -> Rows:
        lacking = [place for place in places if place not in self._parsed]
        self._parsed.update(self._store.history.rows_at(self._run, lacking))
        return {place: self._parsed.get(place, {}) for place in places}

    def _inside(self, name: str) -> list[str]:
        """Paths of the numbers in an object that was logged under a name, from the last rows that hold it."""
        found: dict[str, None] = {}
        for row in self._rows(evenly(self._store.history.places_with(self._run, [name]), 3)).values():
            _numbers(row.get(name), name, found, DEEPEST)
        return [*found]

    def _system_names(self) -> list[str]:
        found: dict[str, None] = {}
        for row in self._events(2).values():
            found |= {f"{SYSTEM}{key}": None for key, value in row.items() if not key.startswith("_") and isinstance(value, int | float)}
        return sorted(found)

    def _events(self, count: int) -> Rows:
        last = self._store.history.line_count(self._run, EVENTS) - 1
        query = "SELECT number, line FROM line WHERE run = ? AND stream = ? AND (number % ? = 0 OR number = ?) ORDER BY number LIMIT ?"
        gap = max(1, -(-last // max(1, count)))
        found: Rows = {}
        for number, line in self._connection.execute(query, (self._run, EVENTS, gap, last, count + 1)):
            found[number, 0] = parsed(line)
        return found


def _add(grids: dict[tuple[Place, ...], dict[str, Any]], rows: Rows, name: str, key: str | None = None) -> None:
    """Put a curve on the grid of the rows that have it, which is made when missing."""
    points = {place: value for place, row in rows.items() if (value := lookup(row, key or name)) is not MISSING}
    mark = (*points,)
    if not mark:
        return
    if mark not in grids:
        chosen = [(step, rows[step, attempt]) for step, attempt in mark]
        times = {time: [_value(row.get(time)) for _, row in chosen] for time in TIMES}
        steps = [step if time is None else time for (step, _), time in zip(chosen, times["_step"], strict=True)]
        runtime = [None if time is None else round(time, 2) for time in times["_runtime"]]
        grids[mark] = {"step": steps, "runtime": runtime, "wall": times["_timestamp"], "curves": {}}
    grids[mark]["curves"][name] = [_value(value) for value in points.values()]


def _value(value: Any) -> float | int | None:
    try:
        return value if isinstance(value, int | float) and math.isfinite(value) else None
    except OverflowError:  # a whole number that no chart can show
        return None


def _numbers(value: Any, path: str, found: dict[str, None], depth: int) -> None:
    if isinstance(value, int | float):
        found[path] = None
    elif isinstance(value, dict) and "_type" not in value and depth:
        for key, item in value.items():
            _numbers(item, f"{path}.{key}", found, depth - 1)


def _head(name: str, logged: dict[str, int]) -> str | None:
    """The key under which a metric stands in a row: the longest beginning of its name that was logged."""
    parts = name.split(".")
    heads = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((head for head in heads if head in logged), None)
