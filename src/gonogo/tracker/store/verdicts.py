"""Verdicts of the gate on the code of runs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence

from gonogo.tracker.store.database import Database
from gonogo.tracker.store.runs import RefusedError, check_object


class Verdicts:
    """The verdicts of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, project: int, text: str, runs: Sequence[str] = ()) -> sqlite3.Row:
        """Keep a verdict; the same one is kept once.

        Args:
            project: The project of the runs.
            text: The verdict, as `gonogo check --format json` writes it.
            runs: Ids of more runs that it is about than it names itself.

        Raises:
            RefusedError: It is no verdict.
        """
        check_object(text, "verdict")
        content = json.loads(text)
        if not isinstance(content.get("is_code_ready"), bool) or not isinstance(content.get("findings", []), list):
            raise RefusedError("verdict: it must be one as `gonogo check --format json` writes it")
        named = [run for run in content.get("runs", []) if isinstance(run, str)] if isinstance(content.get("runs", []), list) else []
        outcome = str(content.get("outcome") or ("GO" if content["is_code_ready"] else "NO-GO"))
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        with self._database.write() as connection:
            query = "INSERT OR IGNORE INTO verdict (project, digest, outcome, text, created_at) VALUES (?, ?, ?, ?, ?)"
            connection.execute(query, (project, digest, outcome, text, time.time()))
            query = "SELECT * FROM verdict WHERE project = ? AND digest = ?"
            row: sqlite3.Row = connection.execute(query, (project, digest)).fetchone()
            query = "INSERT OR IGNORE INTO verdict_of (verdict, run) VALUES (?, ?)"
            connection.executemany(query, [(row["id"], run) for run in dict.fromkeys([*named, *runs])])
        return row

    def of_project(self, project: int) -> list[sqlite3.Row]:
        """The verdicts of a project, newest first, without their texts."""
        query = "SELECT id, outcome, created_at FROM verdict WHERE project = ? ORDER BY id DESC"
        return self._database.read().execute(query, (project,)).fetchall()

    def of_run(self, project: int, run: str) -> list[sqlite3.Row]:
        """The verdicts on a run, newest first, without their texts."""
        query = (
            "SELECT id, outcome, created_at FROM verdict JOIN verdict_of ON verdict = id "
            "WHERE project = ? AND verdict_of.run = ? ORDER BY id DESC"
        )
        return self._database.read().execute(query, (project, run)).fetchall()

    def get(self, project: int, verdict: int) -> sqlite3.Row | None:
        """One verdict of a project."""
        query = "SELECT * FROM verdict WHERE project = ? AND id = ?"
        row: sqlite3.Row | None = self._database.read().execute(query, (project, verdict)).fetchone()
        return row

    def runs(self, verdict: int) -> list[str]:
        """Ids of the runs that a verdict is about."""
        return [run for (run,) in self._database.read().execute("SELECT run FROM verdict_of WHERE verdict = ? ORDER BY run", (verdict,))]
