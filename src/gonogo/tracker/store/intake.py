"""Rows of history on their way into the database, whoever sends them, however often.

A row is kept as the text that the client sent. Who sent it, nobody says: a run that is begun anew under its old id, a resumed one, an
offline folder that is synced later and several processes at once look alike, but for their steps, their times and the numbers of their
lines. Rows of one process are an *attempt*: their steps rise and their lines are numbered without a gap.

Two attempts that logged the same step are compared from there on. When all rows of the one are older, the other superseded it: its rows are
hidden, and kept. When their times overlap, both processes live: the rows of both are shown.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from gonogo.tracker.store.runs import RefusedError

log = logging.getLogger("gonogo.tracker")
# Rows that are held parsed at a time: a client that was offline sends tens of thousands at once.
BATCH = 500
# SQLite's own bounds of a step.
LAST_STEP = (1 << 63) - 1
# Number of the next line of an attempt that nobody goes on with.
CLOSED = -1
# What JSON can't hold, as W&B writes it.
NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# A last value that is longer as JSON is not kept beside its key.
LONGEST_LAST = 2000


class Row(NamedTuple):
    """A row of history: its step, its text, and what the text says."""

    step: int
    line: str
    values: dict[str, Any]

    @property
    def time(self) -> float:
        """When it was logged, by the clock of who logged it; 0 where it does not say."""
        return float(self.values.get("_timestamp", 0))

    @property
    def moment(self) -> tuple[float, Any]:
        """What two rows have in common only if they are the same one, sent twice."""
        return self.time, self.values.get("_runtime")


def add(connection: sqlite3.Connection, run: int, offset: int, lines: Sequence[str]) -> None:
    """Store rows that one process sent together.

    Args:
        connection: In a transaction.
        run: Number of the run.
        offset: Number that the process gives to the first line.
        lines: JSON objects with a whole number as `_step`.

    Raises:
        RefusedError: A line is something else.
    """
    for begin in range(0, len(lines), BATCH):
        _add(connection, run, offset + begin, [parse(line) for line in lines[begin : begin + BATCH]])


def add_shared(connection: sqlite3.Connection, run: int, writer: str, offset: int, lines: Sequence[str]) -> None:
    """Store rows of one of several processes that share a run.

    The server numbers the steps, in the order in which rows arrive.

    Args:
        connection: In a transaction.
        run: Number of the run.
        writer: What the process calls itself.
        offset: Number that the process gives to the first line; lines that it sent before are left out.
        lines: JSON objects.

    Raises:
        RefusedError: A line is something else.
    """
    found = connection.execute("SELECT next FROM writer WHERE run = ? AND name = ?", (run, writer)).fetchone()
    fresh = lines[max(0, (found["next"] if found else 0) - offset) :]
    if found is None:  # a folder that is synced again has a new name, and lines that are there already
        fresh = _without_stored(connection, run, fresh)
    (last,) = connection.execute("SELECT COALESCE(MAX(step), -1) FROM history WHERE run = ?", (run,)).fetchone()
    rows = [_numbered(line, step) for step, line in enumerate(fresh, last + 1)]
    attempt = connection.execute("SELECT MAX(number) FROM attempt WHERE run = ? AND next >= 0", (run,)).fetchone()[0]
    if rows:
        _store(connection, run, _begin(connection, run) if attempt is None else attempt, rows, last + 1 + len(rows))
    connection.execute(
        "INSERT INTO writer (run, name, next) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET next = MAX(next, ?3)",
        (run, writer, offset + len(lines)),
    )


def cut(connection: sqlite3.Connection, run: int, last: int) -> None:
    """Hide what a run logged after a step. It is kept; whoever logs next is another attempt."""
    connection.execute("UPDATE history SET hidden = 1 WHERE run = ? AND step > ?", (run, last))
    connection.execute(
        "UPDATE attempt SET next = ?3, hidden_from = MIN(COALESCE(hidden_from, ?2), ?2) WHERE run = ?1",
        (run, last + 1, CLOSED),
    )
    _recount(connection, run)


def copy(connection: sqlite3.Connection, source: int, run: int, last: int) -> None:
    """Give a run that has none the shown rows of another up to a step."""
    connection.execute(
        "INSERT INTO history (run, step, attempt, hidden, line) "
        "SELECT ?, step, attempt, 0, line FROM history WHERE run = ? AND step <= ? AND NOT hidden",
        (run, source, last),
    )
    connection.execute(
        "INSERT INTO attempt (run, number, next, last_step, last_time) SELECT ?, number, ?, ?, last_time FROM attempt WHERE run = ?",
        (run, CLOSED, last, source),
    )
    _recount(connection, run)
    connection.execute("UPDATE run SET lines = rows WHERE id = ?", (run,))


def parse(line: str) -> Row:
    """Read a line.

    Raises:
        RefusedError: It is not a JSON object with a whole number as its `_step`.
    """
    row = _object(line)
    step = row.get("_step")
    if not isinstance(step, int) or isinstance(step, bool) or not -LAST_STEP <= step <= LAST_STEP:
        raise RefusedError(f"history: a line has no whole number as its _step: {line[:80]}")
    if not isinstance(row.get("_timestamp", 0), int | float):
        raise RefusedError(f"history: a line has something else than a number as its _timestamp: {line[:80]}")
    return Row(step, line, row)


def _object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"history: a line is not JSON ({error}): {line[:80]}") from error
    if not isinstance(row, dict):
        raise RefusedError(f"history: a line is no JSON object: {line[:80]}")
    return row


def _numbered(line: str, step: int) -> Row:
    """A line of a process that leaves the step to the server; one that it gave all the same goes."""
    values = _object(line)
    if "_step" in values:
        line = json.dumps({key: value for key, value in values.items() if key != "_step"})
    rest = line.lstrip().removeprefix("{")
    return parse(f'{{"_step":{step}{"" if rest.strip() == "}" else ","}{rest}')


def _without_stored(connection: sqlite3.Connection, run: int, lines: Sequence[str]) -> Sequence[str]:
    """Lines without those that a run holds already; it is looked through only if it holds the first."""
    bare = [line.lstrip().removeprefix("{") for line in lines]
    query = "SELECT 1 FROM history WHERE run = ? AND substr(line, instr(line, ',') + 1) = ? LIMIT 1"
    if not lines or connection.execute(query, (run, bare[0])).fetchone() is None:
        return lines
    stored = {hash(line.partition(",")[2]) for (line,) in connection.execute("SELECT line FROM history WHERE run = ?", (run,))}
    return [line for line, text in zip(lines, bare, strict=True) if hash(text) not in stored]


def _add(connection: sqlite3.Connection, run: int, offset: int, sent: Sequence[Row]) -> None:
    by_step = {row.step: row for row in sent}
    again, others, shown = _compare(connection, run, by_step)
    rows = [row for step, row in by_step.items() if step not in again]
    # Who repeats rows of an attempt goes on with it, unless it has other rows there.
    repeated = {*again.values()} - others.keys()
    if not rows:
        return
    attempt = max(repeated) if repeated else _fitting(connection, run, others.keys(), offset, rows[0])
    if attempt is None:
        attempt = _begin(connection, run)
    _store(connection, run, attempt, rows, offset + len(sent))
    _overlap(connection, run, attempt, others, shown)
    _settle(connection, run, attempt)


def _overlap(connection: sqlite3.Connection, run: int, attempt: int, others: dict[int, int], shown: int | None) -> None:
    """Note with which attempts one has to be compared, and from which step on.

    These are the attempts that logged the same steps. Where one of their rows is shown, they are all that logged something from there on,
    or the new rows would be mixed with what one of these left. A row that is hidden was superseded: it says nothing of the others.
    """
    upsert = "INSERT INTO overlap (run, one, other, step) {} ON CONFLICT DO UPDATE SET step = MIN(step, excluded.step)"
    connection.executemany(
        upsert.format("VALUES (?, ?, ?, ?)"),
        [(run, min(attempt, other), max(attempt, other), step) for other, step in others.items()],
    )
    if shown is not None:
        later = "SELECT run, MIN(number, ?2), MAX(number, ?2), ?3 FROM attempt WHERE run = ?1 AND number <> ?2 AND last_step >= ?3"
        connection.execute(upsert.format(later), (run, attempt, shown))


def _compare(connection: sqlite3.Connection, run: int, rows: dict[int, Row]) -> tuple[dict[int, int], dict[int, int], int | None]:
    """Hold rows against those at the same steps.

    Returns:
        Rows that are stored already, by step with their attempt; attempts with other rows, with their first step; the first step of other
        rows that are shown, None if all are hidden.
    """
    again: dict[int, int] = {}
    others: dict[int, int] = {}
    shown: int | None = None
    query = "SELECT step, attempt, hidden FROM history WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step"
    places = [place for place in connection.execute(query, (run, min(rows), max(rows))) if place["step"] in rows]
    for step, attempt, hidden in places:
        query = "SELECT line FROM history WHERE run = ? AND step = ? AND attempt = ?"
        (line,) = connection.execute(query, (run, step, attempt)).fetchone()
        if line == rows[step].line or parse(line).moment == rows[step].moment:
            again[step] = attempt
        else:
            others.setdefault(attempt, step)
            shown = step if shown is None and not hidden else shown
    return again, others, shown


def _fitting(connection: sqlite3.Connection, run: int, but: Collection[int], offset: int, row: Row) -> int | None:
    """Return the attempt that a row continues.

    It is the one whose lines end where this one begins, otherwise the newest one that is shown.
    """
    query = "SELECT number, next, last_time, hidden_from FROM attempt WHERE run = ? AND next <> ? AND last_step < ?"
    found = [each for each in connection.execute(query, (run, CLOSED, row.step)) if each["number"] not in but]
    ranked = [
        (each["last_time"] <= row.time, each["next"] == offset, each["last_time"], each["number"])
        for each in found
        if each["next"] == offset or each["hidden_from"] is None
    ]
    best = max(ranked, default=None)
    return None if best is None or not (best[0] or best[1]) else int(best[3])


def _begin(connection: sqlite3.Connection, run: int) -> int:
    query = "SELECT COALESCE(MAX(number) + 1, 0) FROM attempt WHERE run = ?"
    (number,) = connection.execute(query, (run,)).fetchone()
    values = (run, number, 0, -LAST_STEP, 0.0)
    connection.execute("INSERT INTO attempt (run, number, next, last_step, last_time) VALUES (?, ?, ?, ?, ?)", values)
    return int(number)


def _store(connection: sqlite3.Connection, run: int, attempt: int, rows: Sequence[Row], following: int) -> None:
    """Insert rows of an attempt whose next line has the number `following`."""
    query = "SELECT COALESCE(hidden_from, ?) FROM attempt WHERE run = ? AND number = ?"
    (hidden_from,) = connection.execute(query, (LAST_STEP, run, attempt)).fetchone()
    connection.executemany(
        "INSERT INTO history (run, step, attempt, hidden, line) VALUES (?, ?, ?, ?, ?)",
        [(run, row.step, attempt, row.step >= hidden_from, row.line) for row in rows],
    )
    shown = [row for row in rows if row.step < hidden_from]
    connection.execute("UPDATE run SET rows = rows + ?, lines = lines + ? WHERE id = ?", (len(shown), len(rows), run))
    _count_metrics(connection, run, shown)
    connection.execute(
        "UPDATE attempt SET next = CASE next WHEN ?5 THEN next ELSE MAX(next, ?3) END, last_step = MAX(last_step, ?4), "
        "last_time = MAX(last_time, ?6) WHERE run = ?1 AND number = ?2",
        (run, attempt, following, max(row.step for row in rows), CLOSED, max(row.time for row in rows)),
    )


def _settle(connection: sqlite3.Connection, run: int, attempt: int) -> None:
    """Hide and show rows of attempts that logged the same steps, now that one of them has more."""
    query = "SELECT one, other, step, older FROM overlap WHERE run = ?1 AND (one = ?2 OR other = ?2)"
    overlaps = connection.execute(query, (run, attempt)).fetchall()
    if not overlaps:
        return
    known = {row["number"]: row for row in connection.execute("SELECT * FROM attempt WHERE run = ?", (run,))}
    unsettled, beside = {attempt}, set()
    for one, other, step, was in overlaps:
        (first, last), (others_first, others_last) = (_times(connection, run, known[number], step) for number in (one, other))
        older = other if first > others_last else one if last < others_first else None
        beside |= {one, other} if older is None else set()
        if older != was:
            unsettled |= {one, other}
            connection.execute("UPDATE overlap SET older = ? WHERE run = ? AND one = ? AND other = ?", (older, run, one, other))
    together = _together(connection, run, known)
    # Who lives together with whom may have changed for others, too.
    changed = [number for number in sorted(known if beside else unsettled) if _hide(connection, run, known[number], together)]
    if changed:
        _recount(connection, run)
    if any(not known[number]["beside"] for number in beside):
        log.warning("run %s: %s processes log it at once; the rows of all are kept, some under the same step", run, len(beside))
        connection.executemany("UPDATE attempt SET beside = 1 WHERE run = ? AND number = ?", [(run, number) for number in beside])


def _together(connection: sqlite3.Connection, run: int, attempts: Iterable[int]) -> dict[int, int]:
    """Attempts that lived at once, directly or through others, by a number that they have in common.

    Of three processes, a quick one may have ended before a late one logged its first row: the third, which lived beside both, tells that
    these are no rerun and what it superseded.
    """
    common = {number: number for number in attempts}
    pairs = connection.execute("SELECT one, other FROM overlap WHERE run = ? AND older IS NULL", (run,)).fetchall()
    for one, other in pairs:
        kept, gone = common[one], common[other]
        common = {number: kept if of == gone else of for number, of in common.items()}
    return common


def _hide(connection: sqlite3.Connection, run: int, attempt: sqlite3.Row, together: dict[int, int]) -> bool:
    """Hide the rows of an attempt from the step at which a newer one began.

    Rows before that step are shown. Returns whether that changes anything.
    """
    number, was = attempt["number"], attempt["hidden_from"]
    newer = connection.execute("SELECT one + other - older AS newer, step FROM overlap WHERE run = ? AND older = ?", (run, number))
    step = min((row["step"] for row in newer if together[row["newer"]] != together[number]), default=None)
    if attempt["next"] == CLOSED and was is not None:
        step = was if step is None else min(was, step)  # what was cut off stays so
    if step == was:
        return False
    connection.execute("UPDATE attempt SET hidden_from = ? WHERE run = ? AND number = ?", (step, run, number))
    connection.execute(
        "UPDATE history SET hidden = (step >= ?3) WHERE run = ?1 AND attempt = ?2 AND hidden <> (step >= ?3)",
        (run, number, LAST_STEP if step is None else step),
    )
    if step is not None:
        log.warning("run %s: begun anew at step %s; what was logged there before is hidden", run, step)
    return True


def _times(connection: sqlite3.Connection, run: int, attempt: sqlite3.Row, step: int) -> tuple[float, float]:
    """The times of the first and the last row of an attempt from a step on, from which on it has one."""
    query = "SELECT line FROM history WHERE run = ? AND step >= ? AND attempt = ? ORDER BY step LIMIT 1"
    first = parse(connection.execute(query, (run, step, attempt["number"])).fetchone()["line"]).time
    return min(first, attempt["last_time"]), max(first, attempt["last_time"])


def _recount(connection: sqlite3.Connection, run: int) -> None:
    """Count anew how many rows a run shows and which metrics they hold."""
    connection.execute("UPDATE run SET rows = (SELECT COUNT(*) FROM history WHERE run = ?1 AND NOT hidden) WHERE id = ?1", (run,))
    connection.execute("DELETE FROM metric WHERE run = ?", (run,))
    lines = connection.execute("SELECT line FROM history WHERE run = ? AND NOT hidden", (run,))
    while batch := lines.fetchmany(BATCH):
        _count_metrics(connection, run, [parse(line) for (line,) in batch])


def _count_metrics(connection: sqlite3.Connection, run: int, rows: Iterable[Row]) -> None:
    counts: Counter[str] = Counter()
    last: dict[str, Any] = {}
    for row in rows:
        counts.update(row.values.keys())
        last |= row.values
    connection.executemany(
        "INSERT INTO metric (run, name, kind, rows, last) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET rows = rows + excluded.rows, last = excluded.last, "
        "kind = CASE kind WHEN 'null' THEN excluded.kind ELSE kind END",
        [(run, name, kind(last[name]), count, _short(last[name])) for name, count in counts.items()],
    )


def _short(value: Any) -> str | None:
    """A value as JSON, if it is not long."""
    text = json.dumps(value)
    return text if len(text) <= LONGEST_LAST else None


def kind(value: Any) -> str:
    """What the client calls a value's kind: `number`, `string`, … or a media type."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "number" if value in NUMBERS else "string"
        case {"_type": str(media)}:
            return media
        case None:
            return "null"
        case _:
            return "object"
