"""The SQLite file of a tracker: who may write, and what its tables are."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gonogo.model.errors import UsageError

# A change of the tables raises this; an older file is then brought up to date, a newer one refused.
VERSION = 1
# No number is used twice: clients keep ids, and links to files, of what may have been removed since.
TABLES = """
CREATE TABLE project (
    id INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT NOT NULL, name TEXT NOT NULL, created_at REAL NOT NULL, UNIQUE (entity, name)
);
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT, description TEXT, notes TEXT, run_group TEXT, job_type TEXT, host TEXT, program TEXT, commit_hash TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    state TEXT NOT NULL DEFAULT 'running',
    exit_code INTEGER,
    created_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0,
    config TEXT NOT NULL DEFAULT '{}',
    summary TEXT NOT NULL DEFAULT '{}',
    UNIQUE (project, name)
);
CREATE TABLE history (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, step INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (run, step)
) WITHOUT ROWID;
CREATE TABLE metric (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL, kind TEXT NOT NULL, rows INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE line (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, stream TEXT NOT NULL, number INTEGER NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (run, stream, number)
) WITHOUT ROWID;
CREATE TABLE collection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    kind TEXT NOT NULL, name TEXT NOT NULL, created_at REAL NOT NULL,
    UNIQUE (project, name)
);
CREATE TABLE artifact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
    run INTEGER REFERENCES run ON DELETE SET NULL,
    client TEXT, version INTEGER, state TEXT NOT NULL, digest TEXT NOT NULL, description TEXT, metadata TEXT, aliases TEXT NOT NULL,
    history_step INTEGER, size INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL, updated_at REAL NOT NULL
);
CREATE INDEX artifact_of ON artifact (collection, version);
CREATE INDEX artifact_by ON artifact (run);
CREATE TABLE alias (
    collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE, name TEXT NOT NULL,
    artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE, PRIMARY KEY (collection, name)
) WITHOUT ROWID;
CREATE TABLE use (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    PRIMARY KEY (run, artifact)
) WITHOUT ROWID;
CREATE TABLE manifest (
    id INTEGER PRIMARY KEY AUTOINCREMENT, artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE, kind TEXT NOT NULL, digest TEXT
);
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER REFERENCES run ON DELETE CASCADE,
    artifact INTEGER REFERENCES artifact ON DELETE CASCADE,
    manifest INTEGER REFERENCES manifest ON DELETE CASCADE,
    name TEXT NOT NULL,
    expected TEXT,
    content TEXT, size INTEGER, md5 TEXT, updated_at REAL
);
CREATE UNIQUE INDEX file_of_run ON file (run, name) WHERE run IS NOT NULL;
CREATE UNIQUE INDEX file_of_artifact ON file (artifact, name) WHERE artifact IS NOT NULL;
CREATE UNIQUE INDEX file_of_manifest ON file (manifest) WHERE manifest IS NOT NULL;
"""


class FolderInUseError(UsageError):
    """Another tracker works on the folder."""


class Database:
    """One folder's SQLite file: one writer at a time, readers that never wait for it (WAL).

    What has been written is on the disk before `write` ends, so that a caller may be told "stored" after it.
    """

    def __init__(self, folder: Path) -> None:
        """Open the file, made when missing.

        Raises:
            FolderInUseError: Another tracker has the folder.
            UsageError: The folder can't be written to, or a newer gonogo made the file.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = _lock(folder)
            self.path = folder / "tracker.sqlite3"
            self._writer = self._connect()
            self._prepare()
        except OSError as error:
            raise UsageError(f"{folder}: can't keep a tracker's data there: {error.strerror}; give another folder with --data") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{folder / 'tracker.sqlite3'}: not a tracker's data ({error}); give another folder with --data") from error
        self._write_lock = threading.Lock()
        # How often something was written: what was read at the same number is still true.
        self.commits = 0
        self._readers = threading.local()
        self._open: list[sqlite3.Connection] = [self._writer]

    def close(self) -> None:
        """Close every connection and let others have the folder."""
        for connection in self._open:
            connection.close()
        self._lock_file.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is stored at the end, or nothing after an error."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
                self.commits += 1
            except BaseException:
                if self._writer.in_transaction:  # SQLite itself rolls back after some errors, a full disk among them
                    self._writer.execute("ROLLBACK")
                raise

    def read(self) -> sqlite3.Connection:
        """The connection with which this thread reads."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._readers.connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._open.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        # Rows of history are a few hundred bytes and lie in the tree itself: a page must hold several. It counts before the first write.
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -4096")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection

    def _prepare(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise UsageError(f"{self.path}: made by a newer gonogo (tables {version}, this one knows {VERSION}); update gonogo")
        if version == 0:
            self._writer.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def _lock(folder: Path) -> IO[str]:
    """Keep other trackers off a folder for as long as the file is open; the system lets go when the process ends, however it ends."""
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise FolderInUseError(
            f"{folder}: another tracker (process {owner}) works on this folder; stop it, or give another folder with --data"
        ) from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file
