"""What runs log: rows of metrics, system metrics, console lines.

A row is given back as the text that the client sent, so a value can't change on its way. Rows are known by run, step and attempt: one that
is sent twice, after a lost reply or by `wandb sync`, is stored once.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gonogo.tracker.store import intake
from gonogo.tracker.store.database import Database

MISSING = object()
# Keys that every writer of JSON writes just as they are.
_PLAIN = re.compile(r"[\w .:@%+~^()\[\]|=,;-]*", re.ASCII)
# Keys for which the text of a row is searched; SQLite takes no condition of any length.
SEARCHED = 30
# Rows that are read and parsed together.
AT_ONCE = 100
Item = TypeVar("Item")
# A row by its step and the attempt that logged it.
Place = tuple[int, int]


@dataclass
class Chunk:
    """What a run sends at once.

    Attributes:
        rows: Lines of history, each a JSON object that has `_step`, unless several processes share the run.
        first_row: Number that the process gives to the first of them.
        writer: What the process calls itself, if several share the run.
        lines: Lines of other streams by stream name, each with the number of its first line.
        summary: The whole summary as JSON text, if it changed.
        complete: Whether the run says that it has ended, and how.
        exit_code: Its exit code then.
        preempting: Whether it says that it is about to be stopped by its scheduler.
    """

    rows: Sequence[str] = ()
    first_row: int = 0
    writer: str | None = None
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
            if chunk.writer is None:
                intake.add(connection, run, chunk.first_row, chunk.rows)
            else:
                intake.add_shared(connection, run, chunk.writer, chunk.first_row, chunk.rows)
            for stream, (first, lines) in chunk.lines.items():
                numbers = _numbers(connection, run, stream, chunk.writer, first, len(lines))
                numbered = [(run, stream, number, line) for number, line in zip(numbers, lines, strict=True)]
                connection.executemany("INSERT OR REPLACE INTO line (run, stream, number, line) VALUES (?, ?, ?, ?)", numbered)
            (state,) = connection.execute("SELECT state FROM run WHERE id = ?", (run,)).fetchone() or ("",)
            connection.execute(
                "UPDATE run SET heartbeat_at = ?, state = ?, exit_code = ?, summary = COALESCE(?, summary) WHERE id = ?",
                (time.time(), _state_after(chunk, state), chunk.exit_code, _summary(connection, run, chunk), run),
            )

    def rewind(self, run: int, last: int) -> None:
        """Hide what a run logged after a step."""
        with self._database.write() as connection:
            intake.cut(connection, run, last)

    def fork(self, source: int, run: int, last: int) -> None:
        """Give a run that has none the rows of another up to a step."""
        with self._database.write() as connection:
            intake.copy(connection, source, run, last)

    def processes(self, run: int) -> int:
        """How many processes logged a run at once, so far as their rows tell."""
        query = "SELECT COUNT(*) FROM attempt WHERE run = ? AND beside AND hidden_from IS NULL"
        (count,) = self._database.read().execute(query, (run,)).fetchone()
        return max(1, int(count))

    def page(self, run: int, first: int, end: int, limit: int) -> list[str]:
        """Return lines with steps from `first` up to but not including `end`, by step.

        There are at most `limit` from each process that logged them.
        """
        query = "SELECT line FROM history WHERE run = ? AND step >= ? AND step < ? AND NOT hidden ORDER BY step, attempt LIMIT ?"
        return [line for (line,) in self._database.read().execute(query, (run, first, end, limit * self.processes(run)))]

    def places(self, run: int) -> list[Place]:
        """All rows of a run."""
        query = "SELECT step, attempt FROM history WHERE run = ? AND NOT hidden ORDER BY step, attempt"
        return [(step, attempt) for step, attempt in self._database.read().execute(query, (run,))]

    def places_with(self, run: int, keys: Sequence[str], first: int = -intake.LAST_STEP, last: int = intake.LAST_STEP) -> list[Place]:
        """Rows that hold every one of some keys, all of them and no other.

        Args:
            run: Number of the run.
            keys: Names of metrics; `a.b` is also the entry `b` of an object that was logged as `a`.
            first: The least step.
            last: The greatest step.
        """
        with self._database.snapshot() as connection:
            logged = {row["name"]: row["rows"] for row in self.metrics(run)}
            (total,) = connection.execute("SELECT rows FROM run WHERE id = ?", (run,)).fetchone() or (0,)
            heads = {key: [name for name in dict.fromkeys((key, key.partition(".")[0])) if name in logged] for key in keys}
            if not all(heads.values()):
                return []
            rare = {key: names for key, names in heads.items() if logged.get(key, 0) < total}
            query = "SELECT step, attempt FROM history WHERE run = ? AND step BETWEEN ? AND ? AND NOT hidden"
            values: list[Any] = [run, first, last]
            # The text is searched first, which is much quicker than parsing. It may find rows that only look so.
            for names in [*rare.values()][:SEARCHED]:
                condition, marks = _stands_in_line(connection, run, {name: logged[name] for name in names})
                query, values = query + condition, values + marks
            found = [(step, attempt) for step, attempt in connection.execute(f"{query} ORDER BY step, attempt", values)]
            if not rare:
                return found
            (key, names), *others = rare.items()
            if not others and names == [key] and len(found) == logged[key] and (first, last) == (-intake.LAST_STEP, intake.LAST_STEP):
                return found  # just as many as hold it: these do
            return [place for place, row in self.rows_at(run, found) if all(lookup(row, key) is not MISSING for key in rare)]

    def rows_at(self, run: int, places: Sequence[Place]) -> Iterator[tuple[Place, dict[str, Any]]]:
        """What rows say, one after the other; one that is gone meanwhile is left out."""
        connection = self._database.read()
        query = """SELECT step, attempt, line FROM json_each(?) AS place CROSS JOIN history
            ON run = ? AND step = json_extract(place.value, '$[0]') AND attempt = json_extract(place.value, '$[1]') ORDER BY place.key"""
        for begin in range(0, len(places), AT_ONCE):  # one call and one parse for many rows take half the time
            found = connection.execute(query, (json.dumps(places[begin : begin + AT_ONCE]), run)).fetchall()
            rows = json.loads(f"[{','.join(row['line'] for row in found)}]")
            yield from (((row["step"], row["attempt"]), values) for row, values in zip(found, rows, strict=True))

    def ends(self, run: int) -> tuple[int, int] | None:
        """The least and the greatest step, without reading those between."""
        query = "SELECT step FROM history WHERE run = ? AND NOT hidden ORDER BY step {} LIMIT 1"
        found = [self._database.read().execute(query.format(order), (run,)).fetchone() for order in ("ASC", "DESC")]
        return None if None in found else (found[0]["step"], found[1]["step"])

    def last(self, run: int) -> tuple[int, str] | None:
        """The last row: its step and its line."""
        query = "SELECT step, line FROM history WHERE run = ? AND NOT hidden ORDER BY step DESC, attempt DESC LIMIT 1"
        row = self._database.read().execute(query, (run,)).fetchone()
        return row and (row["step"], row["line"])

    def sample(self, run: int, count: int) -> list[str]:
        """At most `count` lines, spread evenly over all rows, the first and the last among them."""
        connection = self._database.read()
        query = "SELECT line FROM history WHERE run = ? AND step = ? AND attempt = ?"
        found = (connection.execute(query, (run, *place)).fetchone() for place in evenly(self.places(run), count))
        return [row["line"] for row in found if row is not None]

    def sample_keys(self, run: int, keys: Sequence[str], first: int, last: int, count: int) -> list[dict[str, Any]]:
        """Return at most `count` rows that hold all of some keys, spread evenly.

        Each row has just these keys.

        Args:
            run: Number of the run.
            keys: Names of metrics; `a.b` is also the entry `b` of an object that was logged as `a`.
            first: The least step.
            last: The greatest step.
            count: How many rows at most, from each process that logged the run.
        """
        found = evenly(self.places_with(run, keys, first, last), count * self.processes(run))
        return [{key: lookup(row, key) for key in keys} for _, row in self.rows_at(run, found)]

    def metrics(self, run: int) -> list[sqlite3.Row]:
        """Return what was logged, by name.

        It has the kind of its values (`number`, `string`, … or a media type), the number of rows, and the last value if short.
        """
        return self._database.read().execute("SELECT name, kind, rows, last FROM metric WHERE run = ? ORDER BY name", (run,)).fetchall()

    def lines(self, run: int, stream: str, first: int, limit: int) -> list[tuple[int, str]]:
        """Numbers and lines of another stream from the number `first` on."""
        query = "SELECT number, line FROM line WHERE run = ? AND stream = ? AND number >= ? ORDER BY number LIMIT ?"
        return [(number, line) for number, line in self._database.read().execute(query, (run, stream, first, limit))]

    def line_count(self, run: int, stream: str) -> int:
        """The number that the next line of a stream would have."""
        query = "SELECT COALESCE(MAX(number) + 1, 0) FROM line WHERE run = ? AND stream = ?"
        (number,) = self._database.read().execute(query, (run, stream)).fetchone()
        return int(number)


def evenly(items: Sequence[Item], count: int) -> Sequence[Item]:
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
    """Return a value as standard JSON can hold it.

    What is not a finite number becomes the text `NaN`, `Infinity` or `-Infinity`, as W&B writes it.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return value


def _stands_in_line(connection: sqlite3.Connection, run: int, logged: dict[str, int]) -> tuple[str, list[str]]:
    """Return an SQL condition, with its values, that matches every line with one of some keys.

    Each key comes with the number of these lines.

    JSON can be written in many ways. A key with letters that some writers escape is looked for in the ways of those that are known, and
    these are trusted only if they find enough.
    """
    marks: list[str] = []
    for key, rows in logged.items():
        own = [*_marks(key)]
        either = " OR ".join("instr(line, ?)" for _ in own)
        if not _PLAIN.fullmatch(key):
            query = f"SELECT COUNT(*) FROM history WHERE run = ? AND NOT hidden AND ({either})"
            if connection.execute(query, (run, *own)).fetchone()[0] < rows:
                return "", []
        marks += own
    return f" AND ({' OR '.join('instr(line, ?)' for _ in marks)})", marks


def _marks(key: str) -> set[str]:
    """Return how a key may stand in the text of a row.

    It may be as Python writes it, with or without escapes, or as Go does, like the client.
    """
    texts = {json.dumps(key, ensure_ascii=only).encode("utf-8", "replace").decode() for only in (True, False)}
    return texts | {text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e") for text in texts}


def _numbers(connection: sqlite3.Connection, run: int, stream: str, writer: str | None, first: int, count: int) -> Sequence[int]:
    """Return the numbers under which lines are kept.

    They are those that the process gives them, or, where several processes share a run, the next free ones.
    """
    sent = range(first, first + count)
    if writer is None:
        return sent
    query = "SELECT sent, number FROM sent_line WHERE run = ? AND stream = ? AND writer = ? AND sent BETWEEN ? AND ?"
    known = dict(connection.execute(query, (run, stream, writer, first, first + count - 1)).fetchall())
    (following,) = connection.execute(
        "SELECT COALESCE(MAX(number) + 1, 0) FROM line WHERE run = ? AND stream = ?", (run, stream)
    ).fetchone()
    fresh = {number: following + at for at, number in enumerate(number for number in sent if number not in known)}
    connection.executemany(
        "INSERT INTO sent_line (run, stream, writer, sent, number) VALUES (?, ?, ?, ?, ?)",
        [(run, stream, writer, number, kept) for number, kept in fresh.items()],
    )
    return [(known | fresh)[number] for number in sent]


def _summary(connection: sqlite3.Connection, run: int, chunk: Chunk) -> str | None:
    """The summary that a run has then: processes that share it know only what they logged themselves."""
    if chunk.writer is None or chunk.summary is None:
        return chunk.summary
    found = connection.execute("SELECT summary FROM run WHERE id = ?", (run,)).fetchone()
    return json.dumps(json.loads(found["summary"]) | json.loads(chunk.summary)) if found else None


def _state_after(chunk: Chunk, before: str) -> str:
    if chunk.complete:
        return "finished" if chunk.exit_code == 0 else "preempted" if before == "preempting" else "failed"
    if chunk.writer is not None and before in ("finished", "failed"):
        return before  # the one of them that decides has said so
    return "preempting" if chunk.preempting else "running"
