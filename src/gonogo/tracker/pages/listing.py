"""The table of a project's runs: which of them, in which order, with which columns."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.tracker import filters
from gonogo.tracker.fields import Document
from gonogo.tracker.pages import query
from gonogo.tracker.store import Store
from gonogo.tracker.store.intake import NUMBERS

PER_PAGE = 100
# Longer texts of config or summary are left out of the table; the page of the run shows them.
LIMIT_OF_TEXTS = 1_000_000
LIMIT_OF_LEAVES = 500
LIMIT_OF_CHOICES = 400
DEFAULT_COLUMNS = 6
DEFAULT_METRICS = 8
DEEPEST = 12
LIMIT_OF_CACHE = 50_000

Leaves = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its key in addresses, its heading, and whether it holds numbers."""

    key: str
    label: str
    numeric: bool = False


FIXED = (
    Column("name", "Name"),
    Column("state", "State"),
    Column("created", "Created"),
    Column("duration", "Duration", True),
    Column("step", "Last step", True),
    Column("group", "Group"),
    Column("tags", "Tags"),
)


class Record:
    """A run in the table."""

    def __init__(self, row: sqlite3.Row, state: str, config: Leaves, summary: Leaves) -> None:
        self.row, self.state, self.config, self.summary = row, state, config, summary
        self.number: int = row["id"]
        self.name: str = row["name"]
        self.label: str = row["display_name"] or row["name"]
        self.group: str | None = row["run_group"]
        self.sweep: str | None = row["sweep_name"]
        self.tags: list[str] = [str(tag) for tag in json.loads(row["tags"])]
        self.step: int | None = row["last_step"]
        self.created: float = row["created_at"]
        self.duration = lasted(row, summary)

    def value(self, key: str) -> Any:
        """The value in a column, None where there is none."""
        head, _, path = key.partition(".")
        match head:
            case "config":
                return self.config.get(path)
            case "summary":
                return self.summary.get(path)
            case "name":
                return self.label.lower()
            case "tags":
                return ", ".join(self.tags) or None
            case "state" | "created" | "duration" | "step" | "group":
                return getattr(self, head)
        return None


@dataclass(frozen=True)
class Listing:
    """A page of the table.

    Attributes:
        records: The runs on this page.
        count: How many runs fit the filter.
        total: How many runs the project has.
        page: Number of the page, from 1 on.
        pages: How many there are.
        columns: The columns that are shown beyond the fixed ones.
        choices: All that could be shown.
    """

    records: Sequence[Record]
    count: int
    total: int
    page: int
    pages: int
    columns: Sequence[Column]
    choices: Sequence[Column]


class Tables:
    """Makes tables; what the JSON of a run says is remembered until it changes."""

    def __init__(self, store: Store, entity: str) -> None:
        self._store = store
        self._entity = entity
        self._known: dict[tuple[int, str], tuple[int, Leaves]] = {}

    def listing(self, project: int, text: str, sort: str, page: int, chosen: Sequence[str]) -> Listing:
        """One page of the runs of a project.

        Args:
            project: Its number.
            text: What stands in the filter box.
            sort: Key of the column to sort by, with `-` for downward.
            page: Number of the page, from 1 on.
            chosen: Keys of the columns beyond the fixed ones; none: those that tell most.

        Raises:
            RefusedError: The filter can't be read.
        """
        found = self.fitting(project, text)
        choices, default = _columns(found)
        by_key = {column.key: column for column in choices}
        columns = [by_key[key] for key in chosen if key in by_key] if chosen else default
        pages = max(1, -(-len(found) // PER_PAGE))
        page = min(max(1, page), pages)
        shown = ordered(found, sort)[(page - 1) * PER_PAGE : page * PER_PAGE]
        return Listing(shown, len(found), self._store.runs.count(project), page, pages, columns, choices[:LIMIT_OF_CHOICES])

    def fitting(self, project: int, text: str) -> list[Record]:
        """The runs of a project that fit what stands in the filter box.

        Raises:
            RefusedError: The filter can't be read.
        """
        test, _ = filters.parse(json.dumps(query.mongo(text)))
        return [
            record
            for record in self._records(project)
            if test(Document(record.row, state=record.state, username=self._entity, sweep_name=record.sweep))
        ]

    def columns(self, project: int, text: str) -> tuple[list[Column], list[Column]]:
        """Return the columns of config and summary that runs could have, and the most telling ones.

        The runs are those that match a filter.
        """
        choices, default = _columns(self.fitting(project, text))
        return [*dict.fromkeys([*default, *choices])][:LIMIT_OF_CHOICES], default

    def _records(self, project: int) -> Iterator[Record]:
        texts = ", ".join(
            f"CASE WHEN length({name}) <= {LIMIT_OF_TEXTS} THEN {name} ELSE '{{}}' END AS {name}" for name in ("config", "summary")
        )
        columns = (
            "id, name, display_name, description, notes, run_group, job_type, host, program, commit_hash, tags, state, exit_code, "
            "created_at, heartbeat_at, "
            "(SELECT name FROM sweep WHERE sweep.id = run.sweep) AS sweep_name, "
            f"(SELECT step FROM history WHERE run = run.id AND NOT hidden ORDER BY step DESC LIMIT 1) AS last_step, {texts}"
        )
        for row in self._store.runs.scan(project, "id", columns):
            config, summary = (self._leaves(row["id"], column, row[column]) for column in ("config", "summary"))
            yield Record(row, self._store.runs.state(row), config, summary)

    def _leaves(self, run: int, column: str, text: str) -> Leaves:
        mark = hash(text)
        known = self._known.get((run, column))
        if known is not None and known[0] == mark:
            return known[1]
        if len(self._known) >= LIMIT_OF_CACHE:
            self._known.clear()
        leaves = config_leaves(parsed(text)) if column == "config" else summary_leaves(parsed(text))
        self._known[run, column] = (mark, leaves)
        return leaves


def ordered(records: Sequence[Record], sort: str) -> list[Record]:
    """Return runs sorted by a column: numbers before texts.

    Those without a value come last, whichever the direction.
    """
    key, down = sort.removeprefix("-"), sort.startswith("-")
    having: list[tuple[tuple[int, Any], Record]] = []
    lacking: list[Record] = []
    for record in records:
        value = record.value(key)
        if isinstance(value, bool | int | float) and value == value:
            having.append(((0, value), record))
        elif isinstance(value, str):
            having.append(((1, value), record))
        else:
            lacking.append(record)
    having.sort(key=lambda pair: pair[0], reverse=down)
    return [record for _, record in having] + lacking


def lasted(row: sqlite3.Row, summary: Leaves) -> float:
    """Return the seconds that a run took, by its own clock if it says so.

    A run that was synced later was here for moments only.
    """
    own = summary.get("_runtime")
    passed = float(row["heartbeat_at"] - row["created_at"])
    return float(own) if isinstance(own, int | float) and 0 < own < 1e10 else max(0.0, passed)


def parsed(text: str) -> dict[str, Any]:
    """Return the object that a text holds, or an empty one if it holds none.

    A page must not fail because of what a run sent.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def config_leaves(config: dict[str, Any]) -> Leaves:
    """What a config says, by path: lists count as values."""
    found: Leaves = {}
    for key, entry in config.items():
        if key != "_wandb":
            _walk(unwrapped(entry), key, found, DEEPEST)
    return found


def summary_leaves(summary: dict[str, Any]) -> Leaves:
    """The numbers of a summary by path, with the client's own."""
    found: Leaves = {}
    for key, value in summary.items():
        if key != "_wandb":
            _walk(value, key, found, DEEPEST)
    return {path: value for path, value in found.items() if isinstance(value, int | float) and not isinstance(value, bool)}


def unwrapped(entry: Any) -> Any:
    """The value of an entry of a config, which the client wraps."""
    return entry["value"] if isinstance(entry, dict) and "value" in entry and entry.keys() <= {"value", "desc"} else entry


def _walk(value: Any, path: str, found: Leaves, depth: int) -> None:
    if len(found) >= LIMIT_OF_LEAVES or (isinstance(value, dict) and "_type" in value):
        return
    if isinstance(value, dict) and value and depth:
        for key, item in value.items():
            _walk(item, f"{path}.{key}", found, depth - 1)
    elif isinstance(value, dict | list):
        found[path] = json.dumps(value)[:200]
    else:
        found[path] = NUMBERS.get(value, value[:200]) if isinstance(value, str) else value


def _columns(records: Sequence[Record]) -> tuple[list[Column], list[Column]]:
    """Return all columns beyond the fixed ones that runs could have, and the most telling ones.

    These are the ones that differ and that most runs have.
    """
    values: dict[str, set[Any]] = {}
    having: Counter[str] = Counter()
    metrics: Counter[str] = Counter()
    numeric: Counter[str] = Counter()
    for record in records:
        for path, value in record.config.items():
            having[path] += 1
            numeric[path] += isinstance(value, int | float)
            seen = values.setdefault(path, set())
            if len(seen) < 2:
                seen.add(value)
        metrics.update(record.summary.keys())
    differing = [path for path, seen in values.items() if len(seen) > 1]
    partial = [path for path, seen in values.items() if len(seen) == 1 and having[path] < len(records)]
    configs = {path: Column(f"config.{path}", path, numeric[path] == having[path]) for path in having}
    shown = sorted((path for path in metrics if not path.startswith("_")), key=lambda path: (-metrics[path], path))
    ranked = sorted(differing, key=lambda path: -having[path])
    summaries = {path: Column(f"summary.{path}", path, True) for path in shown}
    first = dict.fromkeys([*ranked, *partial, *configs])
    choices = [configs[path] for path in first] + [*summaries.values()]
    default = [configs[path] for path in ranked[:DEFAULT_COLUMNS]] + [summaries[path] for path in shown[:DEFAULT_METRICS]]
    return choices, default
