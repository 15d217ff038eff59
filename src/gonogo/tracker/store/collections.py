"""Collections of artifacts: sequences and portfolios.

Versions are made in sequences, and versions of sequences are linked to portfolios.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from gonogo.tracker.store.database import Database
from gonogo.tracker.store.runs import RefusedError

LATEST = "latest"
# A version with what its own sequence is called, as a member of some collection: there it may have another number, and another age.
MEMBER = (
    "SELECT artifact.*, own.name, own.kind, own.project, {of} AS member_of, {version} AS member_version, {since} AS member_since "
    "FROM artifact JOIN collection AS own ON own.id = artifact.collection "
)
OWN = MEMBER.format(of="artifact.collection", version="artifact.version", since="artifact.created_at")
LINKED = MEMBER.format(of="link.collection", version="link.version", since="link.created_at") + "JOIN link ON link.artifact = artifact.id "
NEWEST_FIRST = "member_version DESC"


class Collections:
    """The collections of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, collection: int) -> sqlite3.Row | None:
        """One collection by its number."""
        row: sqlite3.Row | None = self._database.read().execute("SELECT * FROM collection WHERE id = ?", (collection,)).fetchone()
        return row

    def find(self, project: int, name: str, kind: str | None = None) -> sqlite3.Row | None:
        """One collection, of some type if one is given."""
        query = "SELECT * FROM collection WHERE project = ?1 AND name = ?2 AND (?3 IS NULL OR kind = ?3)"
        row: sqlite3.Row | None = self._database.read().execute(query, (project, name, kind)).fetchone()
        return row

    def of_project(self, project: int, kind: str | None = None) -> list[sqlite3.Row]:
        """Return all collections of a project, of one type if given.

        Each has the time `updated_at` of its last change.
        """
        query = (
            "SELECT collection.*, COALESCE(MAX(artifact.updated_at), collection.created_at) AS updated_at FROM collection "
            "LEFT JOIN artifact ON artifact.collection = collection.id AND artifact.state = 'COMMITTED' "
            "WHERE project = ?1 AND (?2 IS NULL OR kind = ?2) GROUP BY collection.id ORDER BY collection.name"
        )
        return self._database.read().execute(query, (project, kind)).fetchall()

    def update(self, collection: int, values: dict[str, Any]) -> sqlite3.Row:
        """Change the `name`, `description` (None: it has none), `kind` or `tags` of a collection.

        Raises:
            RefusedError: Another one of its project has the name.
        """
        if "description" in values:  # none is another thing than an empty one
            values = values | {"description": values["description"] or "", "described": values["description"] is not None}
        with self._database.write() as connection:
            for column in values.keys() & {"name", "description", "described", "kind", "tags"}:
                value = json.dumps(sorted(set(values[column]))) if column == "tags" else values[column]
                try:
                    connection.execute(f"UPDATE collection SET {column} = ? WHERE id = ?", (value, collection))
                except sqlite3.IntegrityError:
                    raise RefusedError(f"collection: there is another {values['name']!r} in this project") from None
            return row_of(connection, collection)

    def members(self, collection: int) -> list[sqlite3.Row]:
        """The committed versions in a collection, newest first."""
        where = f"WHERE member_of = ? AND artifact.state = 'COMMITTED' ORDER BY {NEWEST_FIRST}"
        return self._database.read().execute(f"{_base(self._database.read(), collection)}{where}", (collection,)).fetchall()

    def member(self, collection: int, alias: str) -> sqlite3.Row | None:
        """The version that an alias, `v` with a number, or a digest names in a collection."""
        connection = self._database.read()
        begin = f"{_base(connection, collection)}WHERE member_of = ?1 AND artifact.state = 'COMMITTED' AND "
        by_alias = "artifact.id = (SELECT artifact FROM alias WHERE collection = ?1 AND name = ?2)"
        row: sqlite3.Row | None = connection.execute(begin + by_alias, (collection, alias)).fetchone()
        if row is None and alias[:1] == "v" and alias[1:].isdecimal() and len(alias) < 18:
            row = connection.execute(f"{begin}member_version = ?2", (collection, int(alias[1:]))).fetchone()
        if row is None:
            row = connection.execute(f"{begin}artifact.digest = ?2 ORDER BY {NEWEST_FIRST} LIMIT 1", (collection, alias)).fetchone()
        return row

    def memberships(self, artifact: int) -> list[sqlite3.Row]:
        """A version in all collections that have it, its own first."""
        connection = self._database.read()
        own = connection.execute(f"{OWN}WHERE artifact.id = ?", (artifact,)).fetchall()
        return own + connection.execute(f"{LINKED}WHERE artifact.id = ? ORDER BY link.created_at", (artifact,)).fetchall()

    def aliases(self, artifact: int, collection: int | None = None) -> list[sqlite3.Row]:
        """Return the aliases of a version, without its numbers: `name` and `collection`.

        If a collection is given, only those in it.
        """
        query = "SELECT name, collection FROM alias WHERE artifact = ?1 AND (?2 IS NULL OR collection = ?2) ORDER BY name"
        return self._database.read().execute(query, (artifact, collection)).fetchall()

    def name(self, artifact: int, collection: int, aliases: Sequence[str]) -> None:
        """Give a version more aliases in a collection, which no other there then has."""
        with self._database.write() as connection:
            give_aliases(connection, artifact, collection, aliases)

    def unname(self, artifact: int, collection: int, aliases: Sequence[str]) -> None:
        """Take aliases from a version in a collection."""
        query = "DELETE FROM alias WHERE artifact = ? AND collection = ? AND name = ?"
        with self._database.write() as connection:
            connection.executemany(query, [(artifact, collection, alias) for alias in aliases])

    def link(self, artifact: int, project: int, portfolio: str, aliases: Sequence[str]) -> sqlite3.Row:
        """Make a version a member of a portfolio, which is created if missing.

        Doing it again changes only its aliases there.

        Raises:
            RefusedError: The version is not committed, or a collection of that name holds something else.
        """
        now = time.time()
        with self._database.write() as connection:
            row = connection.execute(f"{OWN}WHERE artifact.id = ?", (artifact,)).fetchone()
            if row is None or row["state"] != "COMMITTED":
                raise RefusedError("linkArtifact: there is no such version, or it was not uploaded wholly")
            query = "INSERT OR IGNORE INTO collection (project, kind, name, created_at, portfolio) VALUES (?, ?, ?, ?, 1)"
            connection.execute(query, (project, row["kind"], portfolio, now))
            query = "SELECT * FROM collection WHERE project = ? AND name = ?"
            collection = connection.execute(query, (project, portfolio)).fetchone()
            if not collection["portfolio"]:
                raise RefusedError(f"linkArtifact: {portfolio} is where versions are made, not a collection that versions are linked to")
            if collection["kind"] != row["kind"]:
                raise RefusedError(f"linkArtifact: {portfolio} holds artifacts of type {collection['kind']}, not {row['kind']}")
            query = (
                "INSERT OR IGNORE INTO link (collection, artifact, version, created_at) "
                "VALUES (?1, ?2, (SELECT COALESCE(MAX(version) + 1, 0) FROM link WHERE collection = ?1), ?3)"
            )
            connection.execute(query, (collection["id"], artifact, now))
            give_aliases(connection, artifact, collection["id"], [LATEST, *aliases])
            query = f"{LINKED}WHERE artifact.id = ? AND link.collection = ?"
            linked: sqlite3.Row = connection.execute(query, (artifact, collection["id"])).fetchone()
        return linked

    def unlink(self, artifact: int, collection: int) -> None:
        """Take a version out of a portfolio.

        Raises:
            RefusedError: It is no member.
        """
        with self._database.write() as connection:
            query = "DELETE FROM link WHERE artifact = ? AND collection = ?"
            if not connection.execute(query, (artifact, collection)).rowcount:
                raise RefusedError("unlinkArtifact: the version is not linked to that collection")
            connection.execute("DELETE FROM alias WHERE artifact = ? AND collection = ?", (artifact, collection))
            keep_latest(connection, collection)


def _base(connection: sqlite3.Connection, collection: int) -> str:
    found = connection.execute("SELECT portfolio FROM collection WHERE id = ?", (collection,)).fetchone()
    return LINKED if found and found["portfolio"] else OWN


def row_of(connection: sqlite3.Connection, collection: int) -> sqlite3.Row:
    """One collection by its number, which something names."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM collection WHERE id = ?", (collection,)).fetchone()
    if row is None:
        raise RefusedError("collection: there is no such one any more")
    return row


def give_aliases(connection: sqlite3.Connection, artifact: int, collection: int, aliases: Sequence[str]) -> None:
    """Give a version some aliases in a collection, which no other there then has."""
    connection.executemany(
        "INSERT OR REPLACE INTO alias (collection, name, artifact) VALUES (?, ?, ?)", [(collection, alias, artifact) for alias in aliases]
    )


def keep_latest(connection: sqlite3.Connection, collection: int) -> None:
    """Give the alias `latest` to the newest version in a collection, if no version has it any more."""
    query = "SELECT 1 FROM alias WHERE collection = ? AND name = ?"
    if connection.execute(query, (collection, LATEST)).fetchone() is not None:
        return
    where = f"WHERE member_of = ? AND artifact.state = 'COMMITTED' ORDER BY {NEWEST_FIRST} LIMIT 1"
    newest = connection.execute(f"{_base(connection, collection)}{where}", (collection,)).fetchone()
    if newest is not None:
        give_aliases(connection, newest["id"], collection, [LATEST])
