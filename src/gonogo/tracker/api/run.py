"""A run, as queries ask for it."""

from __future__ import annotations

import json
import posixpath
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from gonogo.tracker.api.context import LIMIT_OF_ROWS, Context, connect
from gonogo.tracker.api.people import viewer
from gonogo.tracker.console import read_line
from gonogo.tracker.environment import started_with
from gonogo.tracker.fields import timestamp
from gonogo.tracker.store import ids
from gonogo.tracker.store.history import finite
from gonogo.tracker.store.intake import LAST_STEP, kind
from gonogo.tracker.store.runs import RefusedError

DEFAULT_SAMPLES = 500
DEFAULT_LINES = 1000
EVENTS, CONSOLE = "wandb-events.jsonl", "output.log"


class RunNode:
    """A run; its config and summary are read only when asked for."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = row
        self._number: int = row["id"]
        self.id = ids.make("Run", row["id"])
        self.project_id = row["project"]
        self.name = row["name"]
        self.display_name = row["display_name"] or row["name"]
        self.state = context.store.runs.state(row)
        self.group, self.job_type, self.commit, self.host = row["run_group"], row["job_type"], row["commit_hash"], row["host"]
        self.read_only = False
        self.created_at, self.heartbeat_at = timestamp(row["created_at"]), timestamp(row["heartbeat_at"])
        self.description, self.notes = row["description"], row["notes"]
        self.tags = json.loads(row["tags"])
        # Of all lines that ever came, hidden ones too: a process that begins numbers its own from there on, and so differs from the others.
        self.history_line_count = row["lines"]
        self.exitcode = row["exit_code"]
        self.running = self.state == "running"
        self.failed = self.state in ("failed", "crashed")

    def sweep_name(self) -> str | None:
        """The sweep that it belongs to, or nothing."""
        sweep = self._context.store.sweeps.get(self._row["sweep"]) if self._row["sweep"] is not None else None
        return sweep["name"] if sweep else None

    def stopped(self) -> bool:
        """Whether somebody asked it to stop."""
        row = self._context.store.runs.get(self._number, "stop")
        return bool(row and row["stop"])

    should_stop = stopped

    def run_info(self) -> dict[str, Any]:
        """What the client noted about the process when the run last started."""
        started = started_with(json.loads(self._text("config")))
        noted = started.get("git")
        git: dict[str, Any] = noted if isinstance(noted, dict) else {}
        known = {name: started.get(name) for name in ("os", "python", "colab", "executable", "cpu_count", "gpu_count", "gpu")}
        return known | {
            "program": self._row["program"] or started.get("program"),
            "args": started.get("args") or [],
            "code_saved": "codePath" in started,
            "git": {"remote": git.get("remoteUrl") or git.get("remote"), "commit": git.get("commit") or self.commit},
        }

    def project(self) -> sqlite3.Row:
        """The project that it is in."""
        return self._context.store.runs.project_of(self.project_id)

    def user(self) -> dict[str, Any]:
        """Whose it is."""
        return viewer(self._context)

    def config(self) -> str:
        """Its config as JSON: `{"key": {"value": …}}`."""
        return self._text("config")

    def summary_metrics(self) -> str:
        """Its summary as JSON."""
        return self._text("summary")

    def wandb_config(self, keys: list[str] | None = None) -> str:
        """Return what the client recorded about itself in the config.

        A client that finds it knows that the run is an old one.
        """
        noted = json.loads(self._text("config")).get("_wandb", {})
        noted = noted.get("value") if isinstance(noted, dict) else None
        return json.dumps({key: value for key, value in (noted.items() if isinstance(noted, dict) else ()) if keys is None or key in keys})

    def system_metrics(self) -> str:
        """The newest system metrics as JSON."""
        last = self._last_event()
        row = json.loads(last) if last else {}
        return json.dumps({key: value for key, value in row.items() if not key.startswith("_")})

    def events_line_count(self) -> int:
        """The number that the next line of system metrics has."""
        return self._context.store.history.line_count(self._number, EVENTS)

    def log_line_count(self) -> int:
        """The number that the next line of its console has."""
        return self._context.store.history.line_count(self._number, CONSOLE)

    def history_tail(self) -> str:
        """The last row, from which a client that resumes takes its step: a JSON list of one JSON text."""
        last = self._context.store.history.last(self._number)
        return json.dumps([last[1]] if last else [])

    def events_tail(self) -> str:
        """The last system metrics: a JSON list of one JSON text."""
        last = self._last_event()
        return json.dumps([last] if last else [])

    def history_keys(self) -> dict[str, Any]:
        """What was logged: every key with the kind and number of its values, and the greatest step."""
        history = self._context.store.history
        last = history.last(self._number)
        keys = {}
        for row in history.metrics(self._number):
            value = json.loads(row["last"] or "null")
            for path, each in _leaves(row["name"], value):
                about = {"type": row["kind"] if each is value else kind(each), "count": row["rows"]}
                previous = finite(each) if isinstance(each, int | float | str) else None
                keys[path] = {"typeCounts": [about], "monotonic": False, "previousValue": previous}
        return {"sets": [], "keys": keys, "lastStep": last[0] if last else -1}

    def history(self, samples: int | None = None, min_step: int | None = None, max_step: int | None = None) -> Sequence[str]:
        """Return rows as JSON texts.

        With steps, it is the page of them from `minStep` up to but not including `maxStep`; otherwise a sample of all rows.
        """
        history, count = self._context.store.history, _count(samples)
        if min_step is None and max_step is None:
            return self._context.give(history.sample(self._number, count))
        return self._context.give(history.page(self._number, min_step or 0, LAST_STEP if max_step is None else max_step, count))

    def events(self, samples: int | None = None) -> list[str]:
        """System metrics as JSON texts."""
        return [line for _, line in self._context.store.history.lines(self._number, EVENTS, 0, _count(samples))]

    def sampled_history(self, specs: list[str]) -> list[list[dict[str, Any]]]:
        """For each spec, rows with just its keys: those that hold them all."""
        return [self._sampled(spec) for spec in specs]

    def parquet_history(self, live_keys: list[str]) -> dict[str, Any]:
        """Nothing is kept as Parquet: all rows are live."""
        ends = self._context.store.history.ends(self._number) or ()
        return {"parquet_urls": [], "live_data": [{"_step": step} for step in ends]}

    def log_lines(
        self, first: int | None = None, after: str | None = None, last: int | None = None, use_improved_pagination: bool | None = None
    ) -> dict[str, Any]:
        """Lines of its console: from a place on, or the last ones."""
        history = self._context.store.history
        begin = int(after) + 1 if after and after.isdecimal() else 0
        if last is not None:
            begin, first = max(0, self.log_line_count() - last), last
        limit = _count(first if first is not None else DEFAULT_LINES)
        found = history.lines(self._number, CONSOLE, begin, limit + 1)
        edges = [{"node": {"number": number} | read_line(text)} for number, text in found[:limit]]
        end = str(found[:limit][-1][0]) if found[:limit] else after
        return {"edges": edges, "page_info": {"end_cursor": end, "has_next_page": len(found) > limit}}

    def file_count(self) -> int:
        """How many files it has."""
        return len(self._context.store.files.of_run(self._number))

    def files(
        self, names: list[str] | None = None, pattern: str | None = None, after: str | None = None, first: int | None = None
    ) -> dict[str, Any]:
        """Its files: all, those with some names, or those that fit a pattern with % for anything."""
        asked = [each for name in names or () for each in (name, posixpath.normpath(name))]  # ./name is what uploads call name
        rows = self._context.store.files.of_run(self._number, asked, pattern)
        return connect(rows, first, after)

    def output_artifacts(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The artifacts that it made."""
        return connect(self._context.store.artifacts.logged_by(self._number), first, after)

    def input_artifacts(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The artifacts that it read."""
        return connect(self._context.store.artifacts.used_by(self._number), first, after)

    def _text(self, column: str) -> str:
        row = self._context.store.runs.get(self._number, column)
        return str(row[column]) if row else "{}"

    def _last_event(self) -> str | None:
        count = self.events_line_count()
        lines = self._context.store.history.lines(self._number, EVENTS, count - 1, 1) if count else []
        return lines[0][1] if lines else None

    def _sampled(self, spec: str) -> list[dict[str, Any]]:
        try:
            asked = json.loads(spec)
            keys, first, last = asked.get("keys", []), asked.get("minStep", -LAST_STEP), asked.get("maxStep", LAST_STEP)
            count = asked.get("samples", DEFAULT_SAMPLES)
        except (ValueError, RecursionError, AttributeError) as error:
            raise RefusedError(f"sampledHistory: the spec is not a JSON object: {spec[:80]}") from error
        whole = all(isinstance(number, int) for number in (first, last, count))
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or not whole:
            raise RefusedError(f"sampledHistory: keys must be texts, steps and samples whole numbers: {spec[:80]}")
        if not keys:
            return []  # the client asks so for the runs of a sweep, and reads nothing of it
        if self._context.is_older_reader and "maxStep" in asked:
            last -= 1  # it asks for pages from `minStep` up to but not including `maxStep`, and would get the rows in between twice
        least, greatest = (max(-LAST_STEP, min(LAST_STEP, step)) for step in (first, last))
        rows = self._context.store.history.sample_keys(self._number, keys, least, greatest, _count(count))
        return [finite(row) for row in self._context.give(rows)]


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The values in an object, each with its path; one that is no object, or media, is its own."""
    if isinstance(value, dict) and value and "_type" not in value:
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}", item)
    else:
        yield path, value


def _count(asked: int | None) -> int:
    return max(0, min(LIMIT_OF_ROWS, DEFAULT_SAMPLES if asked is None else asked))
