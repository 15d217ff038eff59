"""What runs log: rows of metrics, system metrics, console lines.

A row is kept as the text that the client sent and given back as that text, so a value can't change on its way. Rows are known by run and
step: one that is sent twice, after a lost reply or by `wandb sync`, is stored once.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gonogo.tracker.store.database import Database
from gonogo.tracker.store.runs import RefusedError

log = logging.getLogger("gonogo.tracker")
MISSING = object()
# Keys that stand in a line just as they are, whatever wrote the JSON.
_PLAIN = re.compile(r"[\w /:@%+~^()\[\]-]+", re.ASCII)
# Rows that are held parsed at a time: a client that was offline sends tens of thousands at once.
BATCH = 500
# Keys for which the text of a row is searched before it is parsed; SQLite takes no condition of any length.
SEARCHED = 100
# SQLite's own bounds of a step.
LAST_STEP = (1 << 63) - 1


@dataclass
class Chunk:
    """What a run sends at once.

    Attributes:
        rows: Lines of history, each a JSON object that has `_step`.
        lines: Lines of other streams by stream name, each with the number of its first line.
        summary: The whole summary as JSON text, if it changed.
        complete: Whether the run says that it has ended, and how.
        exit_code: Its exit code then.
        preempting: Whether it says that it is about to be stopped by its scheduler.
    """

    rows: Sequence[str] = ()
    lines: dict[str, tuple[int, Sequence[str]]] = field(default_factory=dict)
    summary: str | None = None
    complete: bool = False
    exit_code: int | None = None
    preempting: bool = False


class History:
    """What the runs of a database logged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def store(self, run: int, chunk: Chunk) -> None:
        """Store all that a run sent, in one transaction, with the sign of life that it is.

        Raises:
            RefusedError: A row is not a JSON object with a whole number as its `_step`.
        """
        with self._database.write() as connection:
            added = 0
            for begin in range(0, len(chunk.rows), BATCH):
                added += _add_rows(connection, run, [_parse(line) for line in chunk.rows[begin : begin + BATCH]])
            for stream, (first, lines) in chunk.lines.items():
                numbered = [(run, stream, number, line) for number, line in enumerate(lines, first)]
                connection.executemany("INSERT OR REPLACE INTO line (run, stream, number, line) VALUES (?, ?, ?, ?)", numbered)
            state = _state_after(chunk)
            connection.execute(
                "UPDATE run SET rows = rows + ?, heartbeat_at = ?, state = ?, exit_code = ?, summary = COALESCE(?, summary) WHERE id = ?",
                (added, time.time(), state, chunk.exit_code, chunk.summary, run),
            )

    def page(self, run: int, first: int, end: int, limit: int) -> list[str]:
        """Lines with steps from `first` up to but not including `end`, `limit` at most, by step."""
        query = "SELECT line FROM history WHERE run = ? AND step >= ? AND step < ? ORDER BY step LIMIT ?"
        return [line for (line,) in self._database.read().execute(query, (run, first, end, limit))]

    def steps(self, run: int) -> list[int]:
        """All steps of a run."""
        return [step for (step,) in self._database.read().execute("SELECT step FROM history WHERE run = ? ORDER BY step", (run,))]

    def ends(self, run: int) -> tuple[int, int] | None:
        """The least and the greatest step, without reading those between."""
        # Apart, each is one look at an end of the index; in one SELECT, SQLite would go through all rows.
        query = "SELECT (SELECT MIN(step) FROM history WHERE run = ?1), (SELECT MAX(step) FROM history WHERE run = ?1)"
        first, last = self._database.read().execute(query, (run,)).fetchone()
        return None if first is None else (first, last)

    def last(self, run: int) -> tuple[int, str] | None:
        """The last row: its step and its line."""
        query = "SELECT step, line FROM history WHERE run = ? ORDER BY step DESC LIMIT 1"
        row = self._database.read().execute(query, (run,)).fetchone()
        return row and (row["step"], row["line"])

    def sample(self, run: int, count: int) -> list[str]:
        """At most `count` lines, spread evenly over all rows, the first and the last among them."""
        return self._lines(run, evenly(self.steps(run), count))

    def sample_keys(self, run: int, keys: Sequence[str], first: int, last: int, count: int) -> list[dict[str, Any]]:
        """At most `count` rows that hold every one of some keys, spread evenly over those that do; each row has just these keys.

        Args:
            run: Number of the run.
            keys: Names of metrics; `a.b` is also the entry `b` of an object that was logged as `a`.
            first: The least step.
            last: The greatest step.
            count: How many rows at most.
        """
        query = "SELECT step FROM history WHERE run = ? AND step BETWEEN ? AND ?"
        values: list[Any] = [run, first, last]
        # The text is searched first, which is much quicker than parsing; it may let rows through that lack a key.
        for key in keys[:SEARCHED]:
            head = key.split(".", 1)[0]
            if _PLAIN.fullmatch(head):
                query += " AND (instr(line, ?) OR instr(line, ?))"
                values += [f'"{key}":', f'"{head}":']
        steps = [step for (step,) in self._database.read().execute(f"{query} ORDER BY step", values)]
        rows = (json.loads(line) for line in self._lines(run, evenly(steps, count)))
        chosen = ({key: lookup(row, key) for key in keys} for row in rows)
        return [row for row in chosen if MISSING not in row.values()]

    def metrics(self, run: int) -> list[sqlite3.Row]:
        """What was logged, by name: the kind of its values (`number`, `string`, … or a media type) and the number of rows that hold it."""
        return self._database.read().execute("SELECT name, kind, rows FROM metric WHERE run = ? ORDER BY name", (run,)).fetchall()

    def lines(self, run: int, stream: str, first: int, limit: int) -> list[tuple[int, str]]:
        """Numbers and lines of another stream from the number `first` on."""
        query = "SELECT number, line FROM line WHERE run = ? AND stream = ? AND number >= ? ORDER BY number LIMIT ?"
        return [(number, line) for number, line in self._database.read().execute(query, (run, stream, first, limit))]

    def line_count(self, run: int, stream: str) -> int:
        """The number that the next line of a stream would have."""
        query = "SELECT COALESCE(MAX(number) + 1, 0) FROM line WHERE run = ? AND stream = ?"
        (number,) = self._database.read().execute(query, (run, stream)).fetchone()
        return int(number)

    def _lines(self, run: int, steps: Sequence[int]) -> list[str]:
        connection = self._database.read()
        query = "SELECT line FROM history WHERE run = ? AND step = ?"
        found = (connection.execute(query, (run, step)).fetchone() for step in steps)
        return [row[0] for row in found if row is not None]  # one may be gone since its step was read


def evenly(items: Sequence[int], count: int) -> Sequence[int]:
    """At most `count` of some items, spread evenly, the first and the last among them."""
    if count <= 0:
        return []
    if len(items) <= count:
        return items
    if count == 1:
        return items[-1:]
    gap = (len(items) - 1) / (count - 1)
    return [items[round(index * gap)] for index in range(count)]


def lookup(row: dict[str, Any], key: str) -> Any:
    """The value of a key, or of a path with dots in nested objects; MISSING where there is none."""
    if key in row:
        return row[key]
    value: Any = row
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return MISSING
        value = value[part]
    return value


def finite(value: Any) -> Any:
    """A value as JSON proper can hold it: what is not a number becomes the text `NaN`, `Infinity` or `-Infinity`, as W&B writes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return value


class Row(NamedTuple):
    """A row of history: its step, its text, and what the text says."""

    step: int
    line: str
    values: dict[str, Any]


def _parse(line: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"history: a line is not JSON ({error}): {line[:80]}") from error
    step = row.get("_step") if isinstance(row, dict) else None
    if not isinstance(step, int) or isinstance(step, bool) or not -LAST_STEP <= step <= LAST_STEP:
        raise RefusedError(f"history: a line has no whole number as its _step: {line[:80]}")
    if not isinstance(row.get("_timestamp", 0), int | float):
        raise RefusedError(f"history: a line has something else than a number as its _timestamp: {line[:80]}")
    return Row(step, line, row)


def _add_rows(connection: sqlite3.Connection, run: int, rows: Sequence[Row]) -> int:
    """Store rows; by how many the run has more then.

    A step that is there already came twice if its time is the same: once is enough. With a later time the run was begun anew at that step,
    under its old id: what the earlier attempt logged from there on goes. With an earlier time it is from an attempt that was superseded,
    say of a crashed process whose folder is synced after another resumed its run: it is left out.
    """
    by_step = {row.step: row for row in rows}
    if not by_step:
        return 0
    gone = 0
    query = "SELECT step FROM history WHERE run = ? AND step BETWEEN ? AND ?"
    stored = [step for (step,) in connection.execute(query, (run, min(by_step), max(by_step))) if step in by_step]
    anew = None
    for step in stored:
        (line,) = connection.execute("SELECT line FROM history WHERE run = ? AND step = ?", (run, step)).fetchone()
        was, now = (row.get("_timestamp", 0) for row in (json.loads(line), by_step[step].values))
        if now > was:
            anew = step
            break
        if now < was:
            log.warning("run %s: step %s of an earlier attempt is left out", run, step)
        del by_step[step]
    if anew is not None:
        log.warning("run %s: begun anew at step %s; what was logged there before is gone", run, anew)
        gone = connection.execute("DELETE FROM history WHERE run = ? AND step >= ?", (run, anew)).rowcount
        connection.execute("DELETE FROM metric WHERE run = ?", (run,))
        left = connection.execute("SELECT line FROM history WHERE run = ?", (run,))
        _count_metrics(connection, run, [_parse(line) for (line,) in left])
    connection.executemany(
        "INSERT INTO history (run, step, line) VALUES (?, ?, ?)", [(run, row.step, row.line) for row in by_step.values()]
    )
    _count_metrics(connection, run, by_step.values())
    return len(by_step) - gone


def _count_metrics(connection: sqlite3.Connection, run: int, rows: Iterable[Row]) -> None:
    kinds: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.values.keys())
        if len(kinds) < len(counts):
            kinds |= {name: _kind(value) for name, value in row.values.items() if name not in kinds}
    connection.executemany(
        "INSERT INTO metric (run, name, kind, rows) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
        [(run, name, kinds[name], count) for name, count in counts.items()],
    )


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case {"_type": str(kind)}:
            return kind
        case None:
            return "null"
        case _:
            return "object"


def _state_after(chunk: Chunk) -> str:
    if chunk.complete:
        return "finished" if chunk.exit_code == 0 else "failed"
    return "preempting" if chunk.preempting else "running"
