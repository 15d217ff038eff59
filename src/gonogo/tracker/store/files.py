"""Files that runs upload: run files, the files of artifacts, and their manifests.

A name that a client gave is never part of a path here: content lies under a random name that the database knows.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from gonogo.tracker.store.database import Database
from gonogo.tracker.store.runs import RefusedError

LIMIT_OF_PATHS = 4096


class IncompleteError(Exception):
    """An upload ended before it was whole; nothing of it is kept."""


class TooLargeError(RefusedError):
    """An upload is larger than the tracker allows."""


class Files:
    """The files of a database, with their content in a folder beside it."""

    def __init__(self, database: Database, folder: Path) -> None:
        """Take the folder of the content, and remove what uploads left there that never ended."""
        self._database = database
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        known = {name for (name,) in database.read().execute("SELECT content FROM file WHERE content IS NOT NULL")}
        for path in folder.iterdir():
            if path.name not in known:
                path.unlink()

    def expect(
        self, *, run: int | None = None, artifact: int | None = None, manifest: int | None = None, name: str, md5: str | None
    ) -> int:
        """Register a file of a run, an artifact or a manifest, and return the number for its upload.

        The file may then be uploaded under that number.

        Args:
            run: The run that it belongs to, if it is a run's.
            artifact: The artifact that it belongs to, if it is an artifact's.
            manifest: The manifest that it is the text of, if it is one.
            name: Its name, with slashes for folders. Nothing is taken from it but the name.
            md5: Base64 of the MD5 digest that the content must have, if known.

        Raises:
            RefusedError: The name is empty or too long.
        """
        if not 0 < len(name) <= LIMIT_OF_PATHS:
            raise RefusedError(f"file: a name has 1 to {LIMIT_OF_PATHS} characters, this one has {len(name)}")
        column, owner = next(pair for pair in (("run", run), ("artifact", artifact), ("manifest", manifest)) if pair[1] is not None)
        with self._database.write() as connection:
            where = "manifest = ?1" if column == "manifest" else f"{column} = ?1 AND name = ?2"
            row = connection.execute(f"SELECT id FROM file WHERE {where}", (owner, name)[: 1 if column == "manifest" else 2]).fetchone()
            if row is None:
                cursor = connection.execute(f"INSERT INTO file ({column}, name, expected) VALUES (?, ?, ?)", (owner, name, md5))
                return int(cursor.lastrowid or 0)
            connection.execute("UPDATE file SET expected = ? WHERE id = ?", (md5, row["id"]))
        return int(row["id"])

    async def receive(self, file: int, chunks: AsyncIterator[bytes], length: int | None, limit: int) -> None:
        """Take the content of a file; what was there before stays until all of the new is on the disk.

        Args:
            file: Its number.
            chunks: The content.
            length: How many bytes it must have, if announced.
            limit: How many bytes it may have.

        Raises:
            KeyError: No such file.
            TooLargeError: More bytes than allowed.
            IncompleteError: Fewer or more bytes than announced, or others than the digest says.
            OSError: It can't be written, a full disk among the reasons.
        """
        row = await anyio.to_thread.run_sync(self.get, file)
        if row is None:
            raise KeyError(file)
        if length is not None and length > limit:
            raise TooLargeError(f"{row['name']}: {length} bytes, more than the {limit} allowed")
        content = secrets.token_hex(16)
        path = self._folder / content
        try:
            await _write(path, chunks, limit, row["name"])
            size, md5 = await anyio.to_thread.run_sync(_stored, path)
            if length is not None and size != length:
                raise IncompleteError(f"{row['name']}: {size} bytes came, {length} were announced")
            if row["expected"] is not None and md5 != row["expected"]:
                raise IncompleteError(f"{row['name']}: the content is not what its digest says")
            await anyio.to_thread.run_sync(self._commit, file, content, size, md5)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if row["content"] is not None:
            self.unlink([row["content"]])

    def put(self, file: int, content: bytes) -> None:
        """Give a file a content that was made here."""
        name = secrets.token_hex(16)
        path = self._folder / name
        with path.open("xb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        _sync_folder(self._folder)
        row = self.get(file)
        self._commit(file, name, *_stored(path))
        if row is not None and row["content"] is not None:
            self.unlink([row["content"]])

    def get(self, file: int) -> sqlite3.Row | None:
        """One file by its number."""
        row: sqlite3.Row | None = self._database.read().execute("SELECT * FROM file WHERE id = ?", (file,)).fetchone()
        return row

    def path(self, row: sqlite3.Row) -> Path:
        """Where the content of an uploaded file lies."""
        return self._folder / str(row["content"])

    def of_run(self, run: int, names: Sequence[str] = (), pattern: str | None = None) -> list[sqlite3.Row]:
        """Return the uploaded files of a run by name.

        They are all files, those with some names, or those that match a pattern of SQL's LIKE.
        """
        query, values = "SELECT * FROM file WHERE run = ? AND content IS NOT NULL", [run]
        return self._select(query, values, names, pattern)

    def of_artifact(self, artifact: int, names: Sequence[str] = ()) -> list[sqlite3.Row]:
        """The uploaded files of an artifact by name."""
        return self._select("SELECT * FROM file WHERE artifact = ? AND content IS NOT NULL", [artifact], names, None)

    def missing(self, artifact: int) -> list[str]:
        """Names of an artifact's files that were announced but not uploaded."""
        query = "SELECT name FROM file WHERE artifact = ? AND content IS NULL ORDER BY name"
        return [name for (name,) in self._database.read().execute(query, (artifact,))]

    def of_manifest(self, manifest: int) -> sqlite3.Row | None:
        """The uploaded text of a manifest."""
        query = "SELECT * FROM file WHERE manifest = ? AND content IS NOT NULL"
        row: sqlite3.Row | None = self._database.read().execute(query, (manifest,)).fetchone()
        return row

    def remove(self, files: Sequence[int]) -> None:
        """Remove files with their content."""
        self.unlink(self._database.free(lambda connection: self.forget(connection, "id", files)))

    def forget(self, connection: sqlite3.Connection, column: str, owners: Sequence[int]) -> list[str]:
        """Remove files from the database by their `id` or their owner.

        Returns the names of their contents, for `unlink` after the transaction.
        """
        query = f"DELETE FROM file WHERE {column} IN (SELECT value FROM json_each(?)) RETURNING content"
        return [content for (content,) in connection.execute(query, (json.dumps([*owners]),)) if content is not None]

    def unlink(self, contents: Sequence[str]) -> None:
        """Give back the space of contents that belong to nothing any more."""
        for content in contents:
            (self._folder / content).unlink(missing_ok=True)

    def _select(self, query: str, values: list[Any], names: Sequence[str], pattern: str | None) -> list[sqlite3.Row]:
        if names:
            query += " AND name IN (SELECT value FROM json_each(?))"  # of any number
            values.append(json.dumps([*names]))
        elif pattern is not None:
            if len(pattern) > LIMIT_OF_PATHS:
                raise RefusedError(f"files: a pattern has at most {LIMIT_OF_PATHS} characters, this one has {len(pattern)}")
            query += " AND name LIKE ?"
            values.append(pattern)
        return self._database.read().execute(f"{query} ORDER BY name", values).fetchall()

    def _commit(self, file: int, content: str, size: int, md5: str) -> None:
        with self._database.write() as connection:
            changed = connection.execute(
                "UPDATE file SET content = ?, size = ?, md5 = ?, updated_at = ? WHERE id = ?", (content, size, md5, time.time(), file)
            ).rowcount
        if not changed:
            raise KeyError(file)


async def _write(path: Path, chunks: AsyncIterator[bytes], limit: int, name: str) -> None:
    """Write a new file and sync it, with its entry in the folder."""
    size = 0
    with path.open("xb", buffering=0) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise TooLargeError(f"{name}: more than the {limit} bytes allowed")
            await anyio.to_thread.run_sync(_write_all, file, chunk)
        await anyio.to_thread.run_sync(os.fsync, file.fileno())
    await anyio.to_thread.run_sync(_sync_folder, path.parent)


def _write_all(file: RawIOBase, chunk: bytes) -> None:
    """Write all of some bytes.

    A disk that is nearly full takes only a part of them, and reports it by the number alone.
    """
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stored(path: Path) -> tuple[int, str]:
    """Return the current size of a file and the base64 of its MD5 digest.

    The client names content by that digest.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        return file.tell(), base64.b64encode(digest.digest()).decode()
