"""The SQLite file of a tracker: who may write, who may read it, and how its space is given back."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from gonogo.model.errors import UsageError
from gonogo.tracker.store.tables import TABLES, UPGRADES, VERSION

Result = TypeVar("Result")

# Space that is kept so that something can be deleted when the disk is full: SQLite has to write before it can free.
RESERVE = 4 << 20
# With less space than this, deleting writes as little as it can before it has freed something.
TIGHT = 16 * RESERVE
# Pages that are given back at once; others may write in between.
PAGES_AT_ONCE = 250
# The log of changes is written into the file when it has so many pages, and is cut to so many bytes then: what it holds is needed twice.
LOG_PAGES = 128
LOG_BYTES = 2 << 20
OURS = ("tracker.sqlite3", "tracker.sqlite3-wal", "tracker.sqlite3-shm", "lock", "reserve")


class FolderInUseError(UsageError):
    """Another tracker works on the folder."""


class Database:
    """One folder's SQLite file: one writer at a time, readers that never wait for it (WAL).

    What has been written is on the disk before `write` ends, so that a caller may be told "stored" after it.
    """

    def __init__(self, folder: Path) -> None:
        """Open the file, made when missing. Nobody but its owner may read it, whatever the folder allows.

        Raises:
            FolderInUseError: Another tracker has the folder.
            UsageError: The folder can't be written to, or a newer gonogo made the file.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = _lock(folder)
            self.path = folder / "tracker.sqlite3"
            self._reserve = folder / "reserve"
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives its other files the mode of this one
            for name in OURS:
                with suppress(FileNotFoundError):
                    (folder / name).chmod(0o600)
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
        self._keep_reserve()

    def close(self) -> None:
        """Close every connection and let others have the folder."""
        with self._write_lock:
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

    def free(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """One transaction that deletes: on a full disk it uses the space that is kept for it."""
        try:
            with self.write() as connection:
                return work(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
        self.make_room()
        with self.write() as connection:
            return work(connection)

    def is_tight(self) -> bool:
        """Whether there is little space left."""
        return shutil.disk_usage(self.path.parent).free < TIGHT

    def make_room(self) -> None:
        """Give up the space that is kept for deleting, and what the log of changes takes."""
        self._reserve.unlink(missing_ok=True)
        self._checkpoint()

    def give_back(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Shrink the file by what was deleted, and empty the log of changes.

        What others read or write meanwhile takes precedence.

        Args:
            ended: Whether to leave the rest for another time.
        """
        while self._free_pages() and not ended() and not self._cannot_shrink:
            with self._write_lock:
                # By `execute`, Python would give back a single page.
                self._writer.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE});")
            if not self._checkpoint():
                break
        self._checkpoint()
        self._keep_reserve()

    def read(self) -> sqlite3.Connection:
        """The connection with which this thread reads."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._readers.connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._open.append(connection)
        return connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """The connection with which this thread reads, for which nothing changes as long as the block lasts."""
        connection = self.read()
        inner = connection.in_transaction
        if not inner:
            connection.execute("BEGIN")
        try:
            yield connection
        finally:
            if not inner:
                connection.execute("COMMIT")

    def _checkpoint(self) -> bool:
        """Write the log of changes into the file and empty it.

        False if a reader prevents it, or if the disk is full.
        """
        with self._write_lock:
            try:
                busy, *_ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError:
                return False
        return not busy

    @property
    def _cannot_shrink(self) -> bool:
        (mode,) = self._writer.execute("PRAGMA auto_vacuum").fetchone()
        return bool(mode == 0)

    def _free_pages(self) -> int:
        with self._write_lock:
            (count,) = self._writer.execute("PRAGMA freelist_count").fetchone()
        return int(count)

    def _keep_reserve(self) -> None:
        """Keep space for deleting, unless there is little left anyway."""
        if self._reserve.exists() or shutil.disk_usage(self._reserve.parent).free < 3 * RESERVE:
            return
        try:
            descriptor = os.open(self._reserve, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE)
            finally:
                os.close(descriptor)
        except OSError:  # then there is none: deleting may fail on a full disk, and says so
            self._reserve.unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        # Rows of history are a few hundred bytes and lie in the tree itself: a page must hold several. Both count before the first write.
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -4096")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection

    def _prepare(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise UsageError(f"{self.path}: made by a newer gonogo (tables {version}, this one knows {VERSION}); update gonogo")
        if version == 0:
            self._writer.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        for older in range(version or VERSION, VERSION):
            self._upgrade(older)

    def _upgrade(self, older: int) -> None:
        # The rows of a table that is exchanged must not be deleted with what they point to.
        self._writer.execute("PRAGMA foreign_keys = OFF")
        self._writer.create_function("time_of", 1, _time_of, deterministic=True)
        try:
            self._writer.executescript(f"BEGIN; {UPGRADES[older]} PRAGMA user_version = {older + 1}; COMMIT;")
        except sqlite3.Error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        self._writer.execute("PRAGMA foreign_keys = ON")
        if self._cannot_shrink and shutil.disk_usage(self.path.parent).free > 2 * self.path.stat().st_size:
            self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._writer.execute("VACUUM")


def _time_of(line: str) -> float:
    return float(json.loads(line).get("_timestamp", 0))


def _lock(folder: Path) -> IO[str]:
    """Lock a folder against other trackers for as long as the file is open.

    The system releases the lock when the process ends, however it ends.
    """
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    file = os.fdopen(descriptor, "r+")
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
