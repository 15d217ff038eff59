"""Sweeps, the agents that work on them, and the runs that they were given."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
import time
from collections.abc import Sequence
from typing import Any

from gonogo.tracker.store.database import Database

LETTERS = string.ascii_lowercase + string.digits
COLUMNS = frozenset(["config", "display_name", "description", "state", "controller", "scheduler", "prior"])


class Sweeps:
    """The sweeps of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, project: int, values: dict[str, Any]) -> sqlite3.Row:
        """Begin a sweep; its columns `config` and `state` must be given."""
        now = time.time()
        filled = {"project": project, "name": new_name(), "created_at": now, "updated_at": now, **_known(values)}
        with self._database.write() as connection:
            query = f"INSERT INTO sweep ({', '.join(filled)}) VALUES ({', '.join('?' * len(filled))})"
            cursor = connection.execute(query, (*filled.values(),))
            row: sqlite3.Row = connection.execute("SELECT * FROM sweep WHERE id = ?", (cursor.lastrowid,)).fetchone()
        return row

    def update(self, sweep: int, values: dict[str, Any]) -> sqlite3.Row | None:
        """Set some columns of a sweep."""
        filled = {**_known(values), "updated_at": time.time()}
        with self._database.write() as connection:
            connection.execute(f"UPDATE sweep SET {', '.join(f'{name} = ?' for name in filled)} WHERE id = ?", (*filled.values(), sweep))
            row: sqlite3.Row | None = connection.execute("SELECT * FROM sweep WHERE id = ?", (sweep,)).fetchone()
        return row

    def delete(self, sweep: int) -> None:
        """Remove a sweep; its runs stay."""
        self._database.free(lambda connection: connection.execute("DELETE FROM sweep WHERE id = ?", (sweep,)))

    def get(self, sweep: int | None) -> sqlite3.Row | None:
        """One sweep by its number."""
        row: sqlite3.Row | None = self._database.read().execute("SELECT * FROM sweep WHERE id = ?", (sweep,)).fetchone()
        return row

    def find(self, project: int, name: str) -> sqlite3.Row | None:
        """One sweep by its name."""
        query = "SELECT * FROM sweep WHERE project = ? AND name = ?"
        row: sqlite3.Row | None = self._database.read().execute(query, (project, name)).fetchone()
        return row

    def of_project(self, project: int) -> list[sqlite3.Row]:
        """All sweeps of a project, newest first."""
        return self._database.read().execute("SELECT * FROM sweep WHERE project = ? ORDER BY id DESC", (project,)).fetchall()

    def runs(self, sweep: int, columns: str) -> list[sqlite3.Row]:
        """The runs of a sweep that have begun, in their order."""
        return self._database.read().execute(f"SELECT {columns} FROM run WHERE sweep = ? ORDER BY id", (sweep,)).fetchall()

    def adopt(self, sweep: int, runs: Sequence[int]) -> None:
        """Make runs that were there before part of a sweep."""
        with self._database.write() as connection:
            connection.executemany("UPDATE run SET sweep = ? WHERE id = ?", [(sweep, run) for run in runs])

    def trials(self, sweep: int) -> list[sqlite3.Row]:
        """The runs that a sweep chose, begun or not, in their order."""
        return self._database.read().execute("SELECT * FROM trial WHERE sweep = ? ORDER BY id", (sweep,)).fetchall()

    def add_trial(self, sweep: int, agent: int | None, arguments: dict[str, Any], display_name: str | None = None) -> sqlite3.Row:
        """Record that a run is to be started with some values of its parameters.

        Without an agent, the next one that asks takes it.
        """
        with self._database.write() as connection:
            query = "INSERT INTO trial (sweep, agent, run_name, arguments, display_name, created_at) VALUES (?, ?, ?, ?, ?, ?)"
            cursor = connection.execute(query, (sweep, agent, new_name(), json.dumps(arguments), display_name, time.time()))
            row: sqlite3.Row = connection.execute("SELECT * FROM trial WHERE id = ?", (cursor.lastrowid,)).fetchone()
        return row

    def take_trial(self, sweep: int, agent: int) -> sqlite3.Row | None:
        """Give an agent the oldest run that nobody has taken."""
        with self._database.write() as connection:
            query = "UPDATE trial SET agent = ?1 WHERE id = (SELECT MIN(id) FROM trial WHERE sweep = ?2 AND agent IS NULL) RETURNING *"
            row: sqlite3.Row | None = connection.execute(query, (agent, sweep)).fetchone()
        return row

    def give_trial(self, trial: int, agent: int) -> None:
        """Let another agent go on with a run."""
        with self._database.write() as connection:
            connection.execute("UPDATE trial SET agent = ? WHERE id = ?", (agent, trial))

    def add_agent(self, sweep: int, host: str) -> sqlite3.Row:
        """Register an agent."""
        now = time.time()
        with self._database.write() as connection:
            query = "INSERT INTO agent (sweep, name, host, state, created_at, heartbeat_at) VALUES (?, ?, ?, 'RUNNING', ?, ?)"
            cursor = connection.execute(query, (sweep, new_name(), host, now, now))
            row: sqlite3.Row = connection.execute("SELECT * FROM agent WHERE id = ?", (cursor.lastrowid,)).fetchone()
        return row

    def hear(self, agent: int, state: str = "RUNNING") -> None:
        """Note a sign of life of an agent, or that it was told to end."""
        with self._database.write() as connection:
            connection.execute("UPDATE agent SET heartbeat_at = ?, state = ? WHERE id = ?", (time.time(), state, agent))

    def agent(self, agent: int) -> sqlite3.Row | None:
        """One agent by its number."""
        row: sqlite3.Row | None = self._database.read().execute("SELECT * FROM agent WHERE id = ?", (agent,)).fetchone()
        return row

    def agents(self, sweep: int) -> list[sqlite3.Row]:
        """The agents of a sweep."""
        return self._database.read().execute("SELECT * FROM agent WHERE sweep = ? ORDER BY id", (sweep,)).fetchall()


def new_name() -> str:
    """A name of eight letters and digits, as clients make them."""
    return "".join(secrets.choice(LETTERS) for _ in range(8))


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in COLUMNS}
