"""Projects and the runs in them."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

from gonogo.tracker.store.database import Database

# All of a run but its config and summary, which can be megabytes.
LIGHT = (
    "id, project, name, display_name, description, notes, run_group, job_type, host, program, commit_hash, tags, state, exit_code, "
    "created_at, heartbeat_at, rows, lines, sweep, stop"
)
# What a caller may set of a run, by column.
SETTABLE = frozenset(
    [
        "display_name",
        "description",
        "notes",
        "run_group",
        "job_type",
        "host",
        "program",
        "commit_hash",
        "tags",
        "state",
        "config",
        "summary",
        "sweep",
        "stop",
        "created_at",
        "heartbeat_at",
    ]
)
LIMIT_OF_NAMES = 512
# What a run is that says nothing any more.
SILENT = {"running": "crashed", "preempting": "preempted"}


class RefusedError(ValueError):
    """What was asked for can't be; the text says why, for whoever asked.

    Attributes:
        gone: Whether what it was asked of is there no more, and asking again makes no sense.
    """

    def __init__(self, text: str, *, gone: bool = False) -> None:
        super().__init__(text)
        self.gone = gone


def check_object(text: str, what: str) -> None:
    """Make sure that whoever reads a text later finds a JSON object.

    Raises:
        RefusedError: It is not one; `what` names it.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{what}: not JSON ({error}): {text[:80]}") from error
    if not isinstance(found, dict):
        raise RefusedError(f"{what}: must be a JSON object, not {text[:80]}")


class Runs:
    """The projects and runs of a database."""

    def __init__(self, database: Database, silence: float) -> None:
        """Take the database and the seconds without a sign of life after which a run counts as crashed."""
        self._database = database
        self._silence = silence
        # By a clock that nobody sets: when this server started, and when it last heard from which run.
        self._opened = time.monotonic()
        self._heard: dict[int, float] = {}

    def projects(self, entity: str | None = None) -> list[sqlite3.Row]:
        """Return all projects, or those of one entity, by name.

        Each has `runs`, their number, and `active_at`, the last sign of life.
        """
        return (
            self._database.read()
            .execute(
                "SELECT project.*, COUNT(run.id) AS runs, MAX(run.heartbeat_at) AS active_at, "
                "COALESCE(MAX(run.heartbeat_at), project.created_at) AS updated_at FROM project LEFT JOIN run "
                "ON run.project = project.id WHERE ?1 IS NULL OR entity = ?1 GROUP BY project.id ORDER BY entity, project.name",
                (entity,),
            )
            .fetchall()
        )

    def project(self, entity: str, name: str) -> sqlite3.Row | None:
        """One project."""
        row: sqlite3.Row | None = (
            self._database.read().execute("SELECT * FROM project WHERE entity = ? AND name = ?", (entity, name)).fetchone()
        )
        return row

    def project_of(self, project: int) -> sqlite3.Row:
        """One project by its number, which something that belongs to it names."""
        row: sqlite3.Row = self._database.read().execute("SELECT * FROM project WHERE id = ?", (project,)).fetchone()
        return row

    def make_project(self, entity: str, name: str) -> sqlite3.Row:
        """One project, made when missing.

        Raises:
            RefusedError: The name or the entity is empty or too long.
        """
        for text, what in ((entity, "entity"), (name, "project")):
            if not 0 < len(text) <= LIMIT_OF_NAMES:
                raise RefusedError(f"{what}: a name has 1 to {LIMIT_OF_NAMES} characters, this one has {len(text)}")
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO project (entity, name, created_at) VALUES (?, ?, ?)", (entity, name, time.time()))
            row: sqlite3.Row = connection.execute("SELECT * FROM project WHERE entity = ? AND name = ?", (entity, name)).fetchone()
        return row

    def describe_project(self, project: int, values: dict[str, Any]) -> sqlite3.Row:
        """Change the `name`, `description` or `settings` (JSON) of a project.

        Raises:
            RefusedError: The entity has another project of the name.
        """
        with self._database.write() as connection:
            if "description" in values:  # none is another thing than an empty one
                values = values | {"described": 1}
            for column in values.keys() & {"name", "description", "described", "settings"}:
                try:
                    connection.execute(f"UPDATE project SET {column} = ? WHERE id = ?", (values[column], project))
                except sqlite3.IntegrityError:
                    raise RefusedError(f"project: there is another one of the name {values[column]!r}") from None
            row: sqlite3.Row = connection.execute("SELECT * FROM project WHERE id = ?", (project,)).fetchone()
        return row

    def find(self, entity: str, project: str, name: str, columns: str = LIGHT) -> sqlite3.Row | None:
        """One run by its names."""
        of = self.project(entity, project)
        row: sqlite3.Row | None = (
            of and self._database.read().execute(f"SELECT {columns} FROM run WHERE project = ? AND name = ?", (of["id"], name)).fetchone()
        )
        return row

    def get(self, run: int, columns: str = LIGHT) -> sqlite3.Row | None:
        """One run by its number."""
        row: sqlite3.Row | None = self._database.read().execute(f"SELECT {columns} FROM run WHERE id = ?", (run,)).fetchone()
        return row

    def upsert(self, project: int, name: str, values: dict[str, Any]) -> tuple[int, bool]:
        """Set some columns of a run, which is made when missing.

        Returns:
            The run's number, and whether it was made.

        Raises:
            RefusedError: The name is empty, too long, or one that no client can log under.
        """
        if not 0 < len(name) <= LIMIT_OF_NAMES:
            raise RefusedError(f"run: an id has 1 to {LIMIT_OF_NAMES} characters, this one has {len(name)}")
        if "%" in name or name in (".", ".."):
            raise RefusedError(f"run: the client can't log under the id {name!r}: it puts it into an address as it is; take one without %")
        now = time.time()
        with self._database.write() as connection:
            inserted = connection.execute(
                "INSERT OR IGNORE INTO run (project, name, created_at, heartbeat_at) VALUES (?, ?, ?, ?)", (project, name, now, now)
            ).rowcount
            (run,) = connection.execute("SELECT id FROM run WHERE project = ? AND name = ?", (project, name)).fetchone()
            _set(connection, run, values)
        self.hear(run)
        return run, bool(inserted)

    def update(self, run: int, values: dict[str, Any]) -> None:
        """Set some columns of a run."""
        with self._database.write() as connection:
            _set(connection, run, values)

    def hear(self, run: int) -> None:
        """Take note of a sign of life."""
        self._heard[run] = time.monotonic()

    def state(self, row: sqlite3.Row) -> str:
        """The state of a run as of now: one that was silent for too long has crashed.

        Silence is counted from this server's start at the earliest: while it was down nobody could be heard.
        """
        silent = time.monotonic() - self._heard.get(row["id"], self._opened) > self._silence
        return SILENT.get(row["state"], row["state"]) if silent else str(row["state"])

    def scan(self, project: int, order: str, columns: str) -> sqlite3.Cursor:
        """All runs of a project, read while they are asked for; `order` is SQL."""
        return self._database.read().execute(f"SELECT {columns} FROM run WHERE project = ? ORDER BY {order}", (project,))

    def count(self, project: int) -> int:
        """How many runs a project has."""
        (number,) = self._database.read().execute("SELECT COUNT(*) FROM run WHERE project = ?", (project,)).fetchone()
        return int(number)


def _set(connection: sqlite3.Connection, run: int, values: dict[str, Any]) -> None:
    unknown = values.keys() - SETTABLE
    if unknown:
        raise KeyError(f"not columns of a run: {sorted(unknown)}")
    if not values:
        return
    for column in ("config", "summary"):
        if column in values:
            check_object(values[column], column)
    columns = ", ".join(f"{name} = ?" for name in values)
    texts = [json.dumps(value) if isinstance(value, list) else value for value in values.values()]
    connection.execute(f"UPDATE run SET {columns} WHERE id = ?", (*texts, run))
