"""What a run holds beyond its curves.

That is config and summary as rows, tables, confusion matrices, pictures, and its console.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.tracker.console import read_line
from gonogo.tracker.pages.listing import unwrapped
from gonogo.tracker.pages.render import number, short
from gonogo.tracker.store import Store

LIMIT_OF_ROWS = 2000
DEEPEST = 20
LIMIT_OF_TABLES = 32 << 20
CELLS_PER_PAGE = 5000
LIMIT_OF_CLASSES = 200
LIMIT_OF_LINES = 4000
CONSOLE = "output.log"
_COLOURS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONFUSION = ("Actual", "Predicted", "nPredictions")
TABLES = "media/table/"
# What the client adds to the name of a metric: the step and a part of the digest.
_LOGGED = re.compile(r"_\d+_[0-9a-f]+\.table\.json$")
LIMIT_OF_PEEKED = 200
LIMIT_OF_MATRICES = 10


@dataclass(frozen=True)
class Line:
    """A line of a config or summary.

    It has its key, its depth, its whole path, and its value; None for a line with other lines below it.
    """

    key: str
    depth: int
    path: str
    value: str | None


@dataclass(frozen=True)
class Table:
    """A page of a logged table.

    Attributes:
        name: The file that it is in.
        columns: Headings.
        rows: The cells of this page, as texts.
        count: How many rows it has.
        page: Number of the page, from 1 on.
        pages: How many there are.
        matrix: The confusion matrix that it is, if it is one: `labels` and `counts`, the actual classes downward.
        problem: Why there is nothing to see, if there is not.
    """

    name: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    count: int = 0
    page: int = 1
    pages: int = 1
    matrix: dict[str, Any] | None = None
    problem: str | None = None


def config_lines(config: dict[str, Any]) -> tuple[list[Line], bool]:
    """A config as lines, and whether some were left out."""
    return _lines({key: unwrapped(entry) for key, entry in config.items() if key != "_wandb"})


def summary_lines(summary: dict[str, Any]) -> tuple[list[Line], bool]:
    """A summary as lines, and whether some were left out."""
    return _lines({key: value for key, value in summary.items() if key != "_wandb"})


def _lines(values: dict[str, Any]) -> tuple[list[Line], bool]:
    found: list[Line] = []
    for line in _walk(values, "", 0):
        if len(found) == LIMIT_OF_ROWS:
            return found, True
        found.append(line)
    return found, False


def _walk(values: dict[str, Any], prefix: str, depth: int) -> Iterator[Line]:
    for key in sorted(values):
        value, path = values[key], f"{prefix}{key}"
        if isinstance(value, dict) and "_type" in value:
            yield Line(key, depth, path, _media(value))
        elif isinstance(value, dict) and value and depth < DEEPEST:
            yield Line(key, depth, path, None)
            yield from _walk(value, f"{path}.", depth + 1)
        else:
            yield Line(key, depth, path, text_of(value))


def text_of(value: Any, limit: int = 500) -> str:
    """A value as JSON writes it, texts without quotation marks, cut where it gets long."""
    if isinstance(value, str):
        return short(value, limit)
    if isinstance(value, list | dict):  # a long one is cut before it is written
        cut = value[:200] if isinstance(value, list) else dict([*value.items()][:50])
        return short(json.dumps(cut, ensure_ascii=False), limit)
    return number(value) if isinstance(value, bool) or value is None else short(json.dumps(value), limit)


def _media(value: dict[str, Any]) -> str:
    kind = str(value["_type"])
    if kind == "table-file":
        return f"table of {value.get('nrows', '?')} rows"
    if kind == "histogram":
        bins = value.get("bins")
        ends = bins if isinstance(bins, list) and bins else None
        return f"histogram from {text_of(ends[0])} to {text_of(ends[-1])}" if ends else "histogram"
    return kind


def command(program: str | None, started: dict[str, Any]) -> str:
    """The program of a run with its arguments."""
    arguments = started.get("args")
    words = [program or "", *(map(str, arguments[:100]) if isinstance(arguments, list) else ())]
    return short(" ".join(words).strip(), 2000)


def machine(started: dict[str, Any]) -> str:
    """What a run ran on."""
    cpus, gpus, gpu = started.get("cpu_count"), started.get("gpu_count") or 1, started.get("gpu")
    parts = [started.get("python"), gpu and f"{gpus} × {gpu}", cpus and f"{cpus} CPUs", started.get("os")]
    return ", ".join(short(part, 80) for part in parts if part)


def tables(store: Store, run: int) -> list[sqlite3.Row]:
    """The files of a run with tables, the last logged ones first."""
    found = store.files.of_run(run, pattern=f"{TABLES}%.json")
    return sorted(found, key=lambda row: -(row["updated_at"] or 0))


def confusions(store: Store, files: Sequence[sqlite3.Row]) -> list[sqlite3.Row]:
    """The files that look as if they held confusion matrices, of each metric the newest."""
    newest: dict[str, sqlite3.Row] = {}
    for file in files:
        newest.setdefault(_LOGGED.sub("", file["name"]), file)
    return [file for file in [*newest.values()][:LIMIT_OF_PEEKED] if _peek(store, file)][:LIMIT_OF_MATRICES]


def _peek(store: Store, file: sqlite3.Row) -> bool:
    try:
        with store.files.path(file).open("rb") as opened:
            return f'"{_CONFUSION[-1]}"'.encode() in opened.read(2000)
    except FileNotFoundError:
        return False


def table(store: Store, file: sqlite3.Row, page: int, order: str = "", text: str = "") -> Table:
    """One page of a table.

    Args:
        store: Where it is.
        file: The file that it is in.
        page: Number of the page, from 1 on.
        order: Number of the column to sort by, with `-` for downward; empty: as it was logged.
        text: What a row must hold in one of its cells, whatever the case; empty: anything.
    """
    name = file["name"]
    if (file["size"] or 0) > LIMIT_OF_TABLES:
        return Table(name, problem="The table is too large to be shown here: download it.")
    try:
        content = json.loads(store.files.path(file).read_bytes())
        columns, data = content["columns"], content["data"]
        rows = [row for row in data if isinstance(row, list)]
    except (ValueError, KeyError, TypeError, RecursionError, FileNotFoundError):
        return Table(name, problem="The file holds no table as W&B writes them: download it to see what it is.")
    if not isinstance(columns, list):
        return Table(name, problem="The table has no columns.")
    headings = [text_of(column) for column in columns]
    matrix = confusion(headings, rows)
    if text:
        rows = [row for row in rows if any(text.casefold() in _whole(cell).casefold() for cell in row)]
    place = order.removeprefix("-")
    if place.isascii() and place.isdecimal() and int(place[:6]) < len(headings):
        rows = sorted_rows(rows, int(place), order.startswith("-"))
    per_page = max(1, min(100, CELLS_PER_PAGE // max(1, len(columns))))
    pages = max(1, -(-len(rows) // per_page))
    page = min(max(1, page), pages)
    shown = [[_cell(cell) for cell in row] for row in rows[(page - 1) * per_page : page * per_page]]
    return Table(name, headings, shown, len(rows), page, pages, matrix)


def sorted_rows(rows: Sequence[list[Any]], place: int, down: bool) -> list[list[Any]]:
    """Return rows sorted by a column: numbers, then texts.

    Those without a value come last, whichever the direction.
    """
    having: list[tuple[tuple[int, Any], list[Any]]] = []
    lacking: list[list[Any]] = []
    for row in rows:
        cell = row[place] if place < len(row) else None
        if isinstance(cell, int | float) and cell == cell:
            having.append(((0, cell), row))
        elif cell is None or isinstance(cell, float):
            lacking.append(row)
        else:
            having.append(((1, _whole(cell)), row))
    having.sort(key=lambda pair: pair[0], reverse=down)
    return [row for _, row in having] + lacking


def findings(verdict: dict[str, Any]) -> list[dict[str, str]]:
    """The findings of a verdict, as texts, the blocking ones first."""
    found = []
    for each in verdict.get("findings", []) if isinstance(verdict.get("findings"), list) else []:
        if isinstance(each, dict):
            texts = {key: text_of(each.get(key) or "", 2000) for key in ("rule", "severity", "certainty", "message", "action")}
            place = each.get("location")
            where = place if isinstance(place, dict) else {}
            found.append(texts | {"path": text_of(where.get("path") or ""), "line": text_of(where.get("line") or "")})
    ranks = {"error": 0, "warning": 1}
    return sorted(found, key=lambda one: ranks.get(one["severity"], 2))[:LIMIT_OF_ROWS]


def _cell(cell: Any) -> str:
    """What is shown of a cell: a long one is cut."""
    return _media(cell) if isinstance(cell, dict) and "_type" in cell else text_of(cell, 300)


def _whole(cell: Any) -> str:
    """All that a cell says, by which rows are found and sorted: not only what is shown of it."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, dict) and "_type" in cell:
        return f"{_media(cell)} {cell.get('path', '')} {cell.get('caption') or ''}"
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else text_of(cell)


def confusion(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any] | None:
    """The confusion matrix that a table is, if its columns are those that W&B gives one."""
    if not {*_CONFUSION} <= {*columns}:
        return None
    places = [columns.index(name) for name in _CONFUSION]
    counts: dict[tuple[str, str], float] = {}
    labels: dict[str, None] = {}
    for row in rows:
        if len(row) <= max(places):
            continue
        actual, predicted, count = (row[place] for place in places)
        if not isinstance(count, int | float):
            continue
        pair = (text_of(actual, 60), text_of(predicted, 60))
        labels |= dict.fromkeys(pair)
        counts[pair] = counts.get(pair, 0) + count
    if not labels or len(labels) > LIMIT_OF_CLASSES:
        return None
    names = [*labels]
    return {"labels": names, "counts": [[counts.get((actual, predicted), 0) for predicted in names] for actual in names]}


def console(store: Store, run: int, before: int | None, after: int | None, limit: int) -> list[dict[str, Any]]:
    """Lines of the console in their order: the last ones, those before a number, or those after one."""
    query = "SELECT number, line FROM line WHERE run = ? AND stream = ?"
    values: list[Any] = [run, CONSOLE]
    if after is not None:
        query, values = f"{query} AND number > ? ORDER BY number LIMIT ?", [*values, after, limit]
    elif before is not None:
        query, values = f"{query} AND number < ? ORDER BY number DESC LIMIT ?", [*values, before, limit]
    else:
        query, values = f"{query} ORDER BY number DESC LIMIT ?", [*values, limit]
    found = sorted((number, line) for number, line in store.database.read().execute(query, values))
    return [_console_line(number, line) for number, line in found]


def _console_line(number: int, text: str) -> dict[str, Any]:
    line = read_line(text)
    content = _COLOURS.sub("", line["line"] or "").rsplit("\r", 1)[-1]
    return {"number": number, "time": line["timestamp"], "error": line["level"] == "error", "text": short(content, LIMIT_OF_LINES)}
