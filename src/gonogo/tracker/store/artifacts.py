"""Artifacts: collections of versions, each with a manifest and files."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.tracker.store.database import Database
from gonogo.tracker.store.files import Files
from gonogo.tracker.store.runs import RefusedError

LATEST = "latest"


@dataclass(frozen=True)
class Draft:
    """What a client says of an artifact that it is about to upload.

    Attributes:
        kind: Its type, such as `dataset` or `run_table`.
        name: The name of its collection.
        digest: What its content is known by.
        run: Number of the run that makes it, if any.
        aliases: Names for this version.
        client: What the client calls it until it has an id.
        description: A text about it.
        metadata: JSON text about it.
        history_step: The step at which it was logged.
        reuse: Whether an earlier version with the same digest may stand for it.
    """

    kind: str
    name: str
    digest: str
    run: int | None = None
    aliases: Sequence[str] = ()
    client: str | None = None
    description: str | None = None
    metadata: str | None = None
    history_step: int | None = None
    reuse: bool = False


class Artifacts:
    """The artifacts of a database."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    def create(self, project: int, draft: Draft) -> sqlite3.Row:
        """Begin a version, or return the committed one that has the same content and may stand for it.

        Raises:
            RefusedError: The collection exists with another type.
        """
        now = time.time()
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO collection (project, kind, name, created_at) VALUES (?, ?, ?, ?)",
                (project, draft.kind, draft.name, now),
            )
            query = "SELECT * FROM collection WHERE project = ? AND name = ?"
            collection = connection.execute(query, (project, draft.name)).fetchone()
            if collection["kind"] != draft.kind:
                raise RefusedError(f"artifact {draft.name}: it is of type {collection['kind']}, not {draft.kind}")
            query = "SELECT * FROM artifact WHERE collection = ? AND digest = ? AND state = 'COMMITTED' ORDER BY version DESC LIMIT 1"
            same = connection.execute(query, (collection["id"], draft.digest)).fetchone() if draft.reuse else None
            if same is not None:
                _name(connection, same["id"], collection["id"], [*draft.aliases])
                return _row(connection, same["id"])
            values = {
                "collection": collection["id"],
                "run": draft.run,
                "client": draft.client,
                "state": "PENDING",
                "digest": draft.digest,
                "description": draft.description,
                "metadata": draft.metadata,
                "aliases": json.dumps([*draft.aliases]),
                "history_step": draft.history_step,
                "created_at": now,
                "updated_at": now,
            }
            query = f"INSERT INTO artifact ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
            cursor = connection.execute(query, (*values.values(),))
            return _row(connection, int(cursor.lastrowid or 0))

    def commit(self, artifact: int) -> sqlite3.Row:
        """Make a version visible: it gets its number and its aliases. Doing it twice changes nothing.

        Raises:
            RefusedError: No such artifact, or its manifest or one of its files was not uploaded.
        """
        row = self.get(artifact)
        if row is None:
            raise RefusedError("artifact: there is no such one to commit")
        if row["state"] == "COMMITTED":
            return row
        entries = self.entries(artifact)
        if entries is None:
            raise RefusedError(f"artifact {row['name']}: its manifest was not uploaded")
        missing = self._files.missing(artifact)
        if missing:
            raise RefusedError(f"artifact {row['name']}: {missing[0]} was not uploaded, and {len(missing) - 1} others")
        size = sum(entry.get("size") or 0 for entry in entries.values())
        with self._database.write() as connection:
            query = "SELECT COALESCE(MAX(version) + 1, 0) FROM artifact WHERE collection = ?"  # no number is used twice
            (version,) = connection.execute(query, (row["collection"],)).fetchone()
            connection.execute(
                "UPDATE artifact SET state = 'COMMITTED', version = ?, size = ?, files = ?, updated_at = ? WHERE id = ?",
                (version, size, len(entries), time.time(), artifact),
            )
            _name(connection, artifact, row["collection"], [LATEST, *json.loads(row["aliases"])])
            return _row(connection, artifact)

    def update(self, artifact: int, values: dict[str, Any], aliases: Sequence[str] | None) -> None:
        """Change description or metadata, and, where given, the aliases that a version shall have."""
        with self._database.write() as connection:
            for column in ("description", "metadata"):
                if column in values:
                    connection.execute(f"UPDATE artifact SET {column} = ? WHERE id = ?", (values[column], artifact))
            if aliases is not None:
                (collection,) = connection.execute("SELECT collection FROM artifact WHERE id = ?", (artifact,)).fetchone()
                connection.execute("DELETE FROM alias WHERE artifact = ?", (artifact,))
                _name(connection, artifact, collection, aliases)
            connection.execute("UPDATE artifact SET updated_at = ? WHERE id = ?", (time.time(), artifact))

    def add_aliases(self, artifact: int, names: Sequence[str]) -> None:
        """Give a version more aliases, which no other of its collection then has."""
        with self._database.write() as connection:
            _name(connection, artifact, _row(connection, artifact)["collection"], names)

    def delete_aliases(self, artifact: int, names: Sequence[str]) -> None:
        """Take aliases from a version."""
        with self._database.write() as connection:
            connection.executemany("DELETE FROM alias WHERE artifact = ? AND name = ?", [(artifact, name) for name in names])

    def delete(self, artifact: int, known_as: str, with_aliases: bool) -> None:
        """Remove a version with its files, but for those that other versions took over from it. Its number is not used again.

        Args:
            artifact: Its number.
            known_as: What the manifests of other versions call it.
            with_aliases: Whether it may have other aliases than `latest`.

        Raises:
            RefusedError: It has other aliases, and may not.
        """
        names = self.aliases(artifact)
        if {*names} - {LATEST} and not with_aliases:
            raise RefusedError(f"artifact: it has the aliases {', '.join(names)}; delete(delete_aliases=True) takes them away as well")
        with self._database.write() as connection:
            row = _row(connection, artifact)
            connection.execute("UPDATE artifact SET state = 'DELETED', updated_at = ? WHERE id = ?", (time.time(), artifact))
            connection.execute("DELETE FROM alias WHERE artifact = ?", (artifact,))
        left = self.versions(row["collection"])
        if LATEST in names and left:
            self.add_aliases(left[0]["id"], [LATEST])
        entries = [(name, entry) for version in left for name, entry in (self.entries(version["id"]) or {}).items()]
        taken = {name for name, entry in entries if entry.get("birthArtifactID") == known_as}
        self._files.remove([file["id"] for file in self._files.of_artifact(artifact) if file["name"] not in taken])

    def use(self, run: int, artifact: int) -> None:
        """Note that a run read an artifact."""
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO use (run, artifact) VALUES (?, ?)", (run, artifact))

    def get(self, artifact: int) -> sqlite3.Row | None:
        """One version, with `name`, `kind` and `project` of its collection."""
        return _find(self._database.read(), artifact)

    def by_client(self, client: str) -> sqlite3.Row | None:
        """The version that a client knows by its own id."""
        row = self._database.read().execute("SELECT id FROM artifact WHERE client = ?", (client,)).fetchone()
        return row and self.get(row["id"])

    def collection(self, project: int, name: str, kind: str | None = None) -> sqlite3.Row | None:
        """One collection, of some type if one is given."""
        query = "SELECT * FROM collection WHERE project = ?1 AND name = ?2 AND (?3 IS NULL OR kind = ?3)"
        row: sqlite3.Row | None = self._database.read().execute(query, (project, name, kind)).fetchone()
        return row

    def collection_by_number(self, collection: int) -> sqlite3.Row | None:
        """One collection by its number."""
        row: sqlite3.Row | None = self._database.read().execute("SELECT * FROM collection WHERE id = ?", (collection,)).fetchone()
        return row

    def collections(self, project: int, kind: str | None = None) -> list[sqlite3.Row]:
        """All collections of a project, of some type if one is given."""
        query = "SELECT * FROM collection WHERE project = ?1 AND (?2 IS NULL OR kind = ?2) ORDER BY name"
        return self._database.read().execute(query, (project, kind)).fetchall()

    def versions(self, collection: int) -> list[sqlite3.Row]:
        """The committed versions of a collection, newest first."""
        query = "SELECT id FROM artifact WHERE collection = ? AND state = 'COMMITTED' ORDER BY version DESC"
        return self._rows(query, collection)

    def version(self, collection: int, alias: str) -> sqlite3.Row | None:
        """The version that an alias, `v` with a number, or a digest names."""
        connection = self._database.read()
        row = connection.execute("SELECT artifact AS id FROM alias WHERE collection = ? AND name = ?", (collection, alias)).fetchone()
        if row is None and alias[:1] == "v" and alias[1:].isdecimal() and len(alias) < 18:
            query = "SELECT id FROM artifact WHERE collection = ? AND version = ? AND state = 'COMMITTED'"
            row = connection.execute(query, (collection, int(alias[1:]))).fetchone()
        if row is None:
            query = "SELECT id FROM artifact WHERE collection = ? AND digest = ? AND state = 'COMMITTED' ORDER BY version DESC"
            row = connection.execute(query, (collection, alias)).fetchone()
        return row and _find(connection, row["id"])

    def logged_by(self, run: int) -> list[sqlite3.Row]:
        """The committed versions that a run made."""
        return self._rows("SELECT id FROM artifact WHERE run = ? AND state = 'COMMITTED' ORDER BY id", run)

    def used_by(self, run: int) -> list[sqlite3.Row]:
        """The versions that a run read."""
        return self._rows("SELECT artifact AS id FROM use WHERE run = ? ORDER BY artifact", run)

    def users(self, artifact: int) -> list[int]:
        """Numbers of the runs that read a version."""
        return [run for (run,) in self._database.read().execute("SELECT run FROM use WHERE artifact = ? ORDER BY run", (artifact,))]

    def aliases(self, artifact: int) -> list[str]:
        """The aliases of a version, its number aside."""
        return [name for (name,) in self._database.read().execute("SELECT name FROM alias WHERE artifact = ? ORDER BY name", (artifact,))]

    def make_manifest(self, artifact: int, kind: str, digest: str) -> int:
        """Begin a manifest; one of the same kind that was begun before is begun again."""
        with self._database.write() as connection:
            row = connection.execute("SELECT id FROM manifest WHERE artifact = ? AND kind = ?", (artifact, kind)).fetchone()
            if row is not None:
                connection.execute("UPDATE manifest SET digest = ? WHERE id = ?", (digest, row["id"]))
                return int(row["id"])
            cursor = connection.execute("INSERT INTO manifest (artifact, kind, digest) VALUES (?, ?, ?)", (artifact, kind, digest))
            return int(cursor.lastrowid or 0)

    def update_manifest(self, manifest: int, digest: str | None) -> sqlite3.Row | None:
        """Give a manifest the digest of its text."""
        with self._database.write() as connection:
            connection.execute("UPDATE manifest SET digest = COALESCE(?, digest) WHERE id = ?", (digest, manifest))
            row: sqlite3.Row | None = connection.execute("SELECT * FROM manifest WHERE id = ?", (manifest,)).fetchone()
        return row

    def manifest(self, artifact: int) -> sqlite3.Row | None:
        """The file with the newest uploaded manifest of a version."""
        query = "SELECT id FROM manifest WHERE artifact = ? ORDER BY id DESC"
        found = (self._files.of_manifest(manifest) for (manifest,) in self._database.read().execute(query, (artifact,)).fetchall())
        return next((file for file in found if file is not None), None)

    def entries(self, artifact: int) -> dict[str, dict[str, Any]] | None:
        """What the manifest of a version lists, by name; None without a readable manifest."""
        file = self.manifest(artifact)
        if file is None:
            return None
        try:
            manifest = json.loads(self._files.path(file).read_bytes())
        except (ValueError, RecursionError, FileNotFoundError):
            return None
        contents = manifest.get("contents") if isinstance(manifest, dict) else None
        if not isinstance(contents, dict) or not all(map(_is_entry, contents.values())):
            return None
        return contents

    def _rows(self, query: str, owner: int) -> list[sqlite3.Row]:
        connection = self._database.read()
        return [_row(connection, number) for (number,) in connection.execute(query, (owner,)).fetchall()]


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("size") or 0, int)


def _find(connection: sqlite3.Connection, artifact: int) -> sqlite3.Row | None:
    query = (
        "SELECT artifact.*, collection.name, collection.kind, collection.project FROM artifact JOIN collection "
        "ON collection.id = artifact.collection WHERE artifact.id = ?"
    )
    row: sqlite3.Row | None = connection.execute(query, (artifact,)).fetchone()
    return row


def _row(connection: sqlite3.Connection, artifact: int) -> sqlite3.Row:
    row = _find(connection, artifact)
    if row is None:
        raise KeyError(artifact)
    return row


def _name(connection: sqlite3.Connection, artifact: int, collection: int, aliases: Sequence[str]) -> None:
    """Give a version some aliases, which no other of its collection then has."""
    connection.executemany(
        "INSERT OR REPLACE INTO alias (collection, name, artifact) VALUES (?, ?, ?)", [(collection, name, artifact) for name in aliases]
    )
