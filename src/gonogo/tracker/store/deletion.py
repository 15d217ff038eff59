"""Deleting for good: rows, files and the space that both took, on a full disk too."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from gonogo.tracker.store.artifacts import Artifacts
from gonogo.tracker.store.database import Database
from gonogo.tracker.store.files import Files

# Rows that are deleted in one transaction: others may write in between. On a full disk it must be few: what is changed is written first.
ROWS_AT_ONCE = (20_000, 500)
LARGE_TABLES = ("history", "line", "sent_line")


class Deletion:
    """Deletes what a database and its files hold."""

    def __init__(self, database: Database, files: Files, artifacts: Artifacts, freed: Callable[[], None]) -> None:
        """Take what to delete from, and whom to tell that there is space to be given back."""
        self._database = database
        self._files = files
        self._artifacts = artifacts
        self._freed = freed

    def run(self, run: int, with_artifacts: bool = False) -> None:
        """Remove a run with its rows and files.

        The artifacts that it made stay, unless they are to be removed with it.
        """
        if with_artifacts:
            for artifact in self._artifacts.logged_by(run):
                self._artifacts.delete(artifact["id"], with_aliases=True)

        def remove(connection: sqlite3.Connection) -> list[str]:
            contents = self._files.forget(connection, "run", [run])
            connection.execute("DELETE FROM run WHERE id = ?", (run,))
            return contents

        for table in LARGE_TABLES:
            self._empty(table, run)
        self._files.unlink(self._database.free(remove))
        self._freed()

    def project(self, project: int) -> None:
        """Remove a project with its runs, artifacts and sweeps."""
        reading = self._database.read()
        for (run,) in reading.execute("SELECT id FROM run WHERE project = ?", (project,)).fetchall():
            self.run(run)
        for (collection,) in reading.execute("SELECT id FROM collection WHERE project = ?", (project,)).fetchall():
            self._artifacts.delete_collection(collection)
        self._database.free(lambda connection: connection.execute("DELETE FROM project WHERE id = ?", (project,)))
        self._freed()

    def _empty(self, table: str, run: int) -> None:
        """Remove the rows of a run from a table, a part at a time."""
        key = {"history": "step, attempt", "line": "stream, number", "sent_line": "stream, writer, sent"}[table]
        query = f"DELETE FROM {table} WHERE run = ?1 AND ({key}) IN (SELECT {key} FROM {table} WHERE run = ?1 LIMIT ?2)"
        many, few = ROWS_AT_ONCE
        tight = self._database.is_tight()
        while True:
            limit = few if tight else many
            if tight:
                self._database.make_room()
            try:
                with self._database.write() as connection:
                    count = connection.execute(query, (run, limit)).rowcount
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL or tight:
                    raise
                tight = True
                continue
            if count < limit:
                return
