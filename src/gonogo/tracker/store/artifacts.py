"""Versions of artifacts, each with a manifest and files."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.tracker.store import ids
from gonogo.tracker.store.collections import LATEST, OWN, Collections, give_aliases, keep_latest
from gonogo.tracker.store.database import Database
from gonogo.tracker.store.files import Files
from gonogo.tracker.store.runs import RefusedError


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
        tags: Words by which it is found.
        ttl: Seconds after which it goes away by itself, if it does.
        reuse: Whether an earlier version with the same digest may stand for it.
        distributed: What several processes have in common that make one version together, each a part of it.
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
    tags: Sequence[str] = ()
    ttl: int | None = None
    reuse: bool = False
    distributed: str | None = None


class Artifacts:
    """The artifacts of a database."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self.collections = Collections(database)

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
            if collection["portfolio"]:
                raise RefusedError(f"artifact {draft.name}: versions are linked to this collection, not made in it; choose another name")
            if collection["kind"] != draft.kind:
                raise RefusedError(f"artifact {draft.name}: it is of type {collection['kind']}, not {draft.kind}")
            query = "SELECT * FROM artifact WHERE collection = ? AND digest = ? AND state = 'COMMITTED' ORDER BY version DESC LIMIT 1"
            whole = draft.reuse and draft.distributed is None  # the digest of a part says nothing of the whole
            same = connection.execute(query, (collection["id"], draft.digest)).fetchone() if whole else None
            begun = _begun(connection, collection["id"], draft.distributed)
            if begun is not None:
                return _join(connection, begun, draft)
            if same is not None:
                give_aliases(connection, same["id"], collection["id"], draft.aliases)
                _tag(connection, same["id"], draft.tags, ())
                if draft.run is not None:
                    connection.execute("INSERT OR IGNORE INTO output (run, artifact) VALUES (?, ?)", (draft.run, same["id"]))
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
                "tags": json.dumps(sorted(set(draft.tags))),
                "ttl": draft.ttl,
                "distributed": draft.distributed,
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
        self._complete(row)
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
            give_aliases(connection, artifact, row["collection"], [LATEST, *json.loads(row["aliases"])])
            return _row(connection, artifact)

    def update(self, artifact: int, values: dict[str, Any], aliases: Sequence[str] | None = None) -> None:
        """Change the `description`, `metadata`, `ttl` and aliases of a version.

        Where aliases are given, they are those that the version is to have in its own collection.
        """
        with self._database.write() as connection:
            for column in values.keys() & {"description", "metadata", "ttl"}:
                connection.execute(f"UPDATE artifact SET {column} = ? WHERE id = ?", (values[column], artifact))
            if aliases is not None:
                collection = _row(connection, artifact)["collection"]
                connection.execute("DELETE FROM alias WHERE artifact = ? AND collection = ?", (artifact, collection))
                give_aliases(connection, artifact, collection, aliases)
            connection.execute("UPDATE artifact SET updated_at = ? WHERE id = ?", (time.time(), artifact))

    def tag(self, artifact: int, more: Sequence[str], less: Sequence[str]) -> None:
        """Give tags to a version, and take others from it."""
        with self._database.write() as connection:
            _tag(connection, artifact, more, less)

    def delete(self, artifact: int, with_aliases: bool = False) -> None:
        """Remove a version with its files.

        Files that other versions took over from it are kept. Its number is not used again.

        Args:
            artifact: Its number.
            with_aliases: Whether it may have other aliases than `latest`.

        Raises:
            RefusedError: It has other aliases, and may not.
        """
        names = [row["name"] for row in self.collections.aliases(artifact)]
        if {*names} - {LATEST} and not with_aliases:
            raise RefusedError(f"artifact: it has the aliases {', '.join(names)}; delete(delete_aliases=True) takes them away as well")
        of = {row["member_of"] for row in self.collections.memberships(artifact)}
        taken = self._taken_from(artifact)

        def remove(connection: sqlite3.Connection) -> list[str]:
            connection.execute("UPDATE artifact SET state = 'DELETED', updated_at = ? WHERE id = ?", (time.time(), artifact))
            connection.execute("DELETE FROM alias WHERE artifact = ?", (artifact,))
            connection.execute("DELETE FROM link WHERE artifact = ?", (artifact,))
            for collection in of:
                keep_latest(connection, collection)
            files = [file["id"] for file in self._files.of_artifact(artifact) if file["name"] not in taken]
            return self._files.forget(connection, "id", files)

        self._files.unlink(self._database.free(remove))

    def delete_collection(self, collection: int) -> None:
        """Remove a collection: a sequence with its versions and their files, a portfolio with its links alone."""

        def remove(connection: sqlite3.Connection) -> list[str]:
            own = "(SELECT id FROM artifact WHERE collection = ?)"
            found = connection.execute(
                f"SELECT content FROM file WHERE artifact IN {own} OR manifest IN (SELECT id FROM manifest WHERE artifact IN {own})",
                (collection, collection),
            ).fetchall()
            connection.execute("DELETE FROM collection WHERE id = ?", (collection,))
            return [content for (content,) in found if content is not None]

        self._files.unlink(self._database.free(remove))

    def expire(self, now: float) -> int:
        """Remove the versions that have expired, and return how many there were.

        Versions that are linked to a portfolio stay.
        """
        query = (
            "SELECT id FROM artifact WHERE state = 'COMMITTED' AND ttl > 0 AND created_at + ttl < ? "
            "AND NOT EXISTS (SELECT 1 FROM link WHERE link.artifact = artifact.id)"
        )
        over = [artifact for (artifact,) in self._database.read().execute(query, (now,))]
        for artifact in over:
            self.delete(artifact, with_aliases=True)
        return len(over)

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

    def logged_by(self, run: int) -> list[sqlite3.Row]:
        """The committed versions that a run made, or made again with the same content."""
        made = "run = ?1 OR id IN (SELECT artifact FROM output WHERE run = ?1)"
        query = f"SELECT id FROM artifact WHERE ({made}) AND state = 'COMMITTED' ORDER BY id"
        return self._rows(query, run)

    def used_by(self, run: int) -> list[sqlite3.Row]:
        """The versions that a run read."""
        return self._rows("SELECT artifact AS id FROM use WHERE run = ? ORDER BY artifact", run)

    def users(self, artifact: int) -> list[int]:
        """Numbers of the runs that read a version."""
        return [run for (run,) in self._database.read().execute("SELECT run FROM use WHERE artifact = ? ORDER BY run", (artifact,))]

    def make_manifest(self, artifact: int, kind: str, digest: str, base: int | None = None) -> int:
        """Begin a manifest; one of the same kind that was begun before is begun again.

        Args:
            artifact: The version.
            kind: `FULL`, `INCREMENTAL` for one that only says what is new, or `PATCH` for one process's part of a version.
            digest: Digest of its text.
            base: The version to which it is new.
        """
        with self._database.write() as connection:
            query = "SELECT id FROM manifest WHERE artifact = ? AND kind = ? AND kind != 'PATCH'"  # every process has a part of its own
            row = connection.execute(query, (artifact, kind)).fetchone()
            if row is not None:
                connection.execute("UPDATE manifest SET digest = ?, base = COALESCE(?, base) WHERE id = ?", (digest, base, row["id"]))
                return int(row["id"])
            query = "INSERT INTO manifest (artifact, kind, digest, base) VALUES (?, ?, ?, ?)"
            cursor = connection.execute(query, (artifact, kind, digest, base))
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
        return None if file is None else self._listed(file)

    def _listed(self, file: sqlite3.Row) -> dict[str, dict[str, Any]] | None:
        try:
            manifest = json.loads(self._files.path(file).read_bytes())
        except (ValueError, RecursionError, FileNotFoundError):
            return None
        contents = manifest.get("contents") if isinstance(manifest, dict) else None
        if not isinstance(contents, dict) or not all(map(_is_entry, contents.values())):
            return None
        return contents

    def by_digest(self, md5: str, artifact: int | None) -> sqlite3.Row | None:
        """Return the uploaded file of some artifact with a given digest of its content.

        If an artifact is given, it is the file of that one.
        """
        query = (
            "SELECT * FROM file WHERE md5 = ?1 AND artifact IS NOT NULL AND content IS NOT NULL AND (?2 IS NULL OR artifact = ?2) LIMIT 1"
        )
        row: sqlite3.Row | None = self._database.read().execute(query, (md5, artifact)).fetchone()
        return row

    def _complete(self, row: sqlite3.Row) -> None:
        """Turn a manifest that only says what is new into a whole one."""
        file, own = self.manifest(row["id"]), self.entries(row["id"])
        if file is None or own is None:
            return
        of = self._database.read().execute("SELECT kind, base FROM manifest WHERE id = ?", (file["manifest"],)).fetchone()
        if of["kind"] == "FULL":
            return
        if of["kind"] == "PATCH":
            self._assemble(row)
            return
        before = [member["id"] for member in self.collections.members(row["collection"])]
        base = of["base"] if of["base"] is not None else next(iter(before), None)
        older = {} if base is None else self.entries(base) or {}
        contents = {
            name: {**entry, "birthArtifactID": entry.get("birthArtifactID") or ids.make("Artifact", base or 0)}
            for name, entry in older.items()
        }
        whole = json.loads(self._files.path(file).read_bytes()) | {"contents": contents | own}
        number = self.make_manifest(row["id"], "FULL", row["digest"])
        self._files.put(self._files.expect(manifest=number, name="wandb_manifest.json", md5=None), json.dumps(whole).encode())

    def _assemble(self, row: sqlite3.Row) -> None:
        """Make one manifest of the parts that several processes sent.

        Where two have a name in common, the later one stands.

        Raises:
            RefusedError: A part can't be read.
        """
        query = "SELECT id FROM manifest WHERE artifact = ? AND kind = 'PATCH' ORDER BY id"
        numbers = [number for (number,) in self._database.read().execute(query, (row["id"],)).fetchall()]
        files = [file for number in numbers if (file := self._files.of_manifest(number)) is not None]
        contents: dict[str, dict[str, Any]] = {}
        for file in files:
            part = self._listed(file)
            if part is None:
                raise RefusedError(f"artifact {row['name']}: a manifest of one of its parts can't be read")
            contents |= part
        whole = json.loads(self._files.path(files[-1]).read_bytes()) | {"contents": contents}
        digest = digest_of(contents)
        number = self.make_manifest(row["id"], "FULL", digest)
        self._files.put(self._files.expect(manifest=number, name="wandb_manifest.json", md5=None), json.dumps(whole).encode())
        with self._database.write() as connection:
            connection.execute("UPDATE artifact SET digest = ? WHERE id = ?", (digest, row["id"]))

    def _taken_from(self, artifact: int) -> set[str]:
        """Return the names of a version's files that other versions of its collection list, too.

        A new draft takes over what did not change.
        """
        row = self.get(artifact)
        others = self.collections.members(row["collection"]) if row else []
        found = ((name, entry) for other in others if other["id"] != artifact for name, entry in (self.entries(other["id"]) or {}).items())
        return {name for name, entry in found if _number(entry.get("birthArtifactID")) == artifact}

    def _rows(self, query: str, owner: int) -> list[sqlite3.Row]:
        connection = self._database.read()
        return [_row(connection, number) for (number,) in connection.execute(query, (owner,)).fetchall()]


def digest_of(contents: dict[str, dict[str, Any]]) -> str:
    """The digest by which a version with certain entries is known, as the client makes it."""
    lines = [f"{name}:{contents[name].get('digest')}\n" for name in sorted(contents)]
    return hashlib.md5(
        "".join(["wandb-artifact-manifest-v1\n", *lines]).encode("utf-8", "surrogatepass"), usedforsecurity=False
    ).hexdigest()


def _begun(connection: sqlite3.Connection, collection: int, distributed: str | None) -> int | None:
    """The version that other processes began under a common name and did not finish yet, if there is one."""
    if distributed is None:
        return None
    query = "SELECT id FROM artifact WHERE collection = ? AND distributed = ? AND state = 'PENDING' ORDER BY id DESC LIMIT 1"
    row = connection.execute(query, (collection, distributed)).fetchone()
    return None if row is None else int(row["id"])


def _join(connection: sqlite3.Connection, artifact: int, draft: Draft) -> sqlite3.Row:
    """Add what one more process says of a version that several make together."""
    row = _row(connection, artifact)
    aliases = [*dict.fromkeys([*json.loads(row["aliases"]), *draft.aliases])]
    given = {"description": draft.description, "metadata": draft.metadata, "ttl": draft.ttl, "client": draft.client}
    values = {"aliases": json.dumps(aliases)} | {column: value for column, value in given.items() if value is not None}
    names = ", ".join(f"{column} = ?" for column in values)
    connection.execute(f"UPDATE artifact SET {names} WHERE id = ?", (*values.values(), artifact))
    _tag(connection, artifact, draft.tags, ())
    if draft.run is not None:
        connection.execute("INSERT OR IGNORE INTO output (run, artifact) VALUES (?, ?)", (draft.run, artifact))
    return _row(connection, artifact)


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("size") or 0, int)


def _number(id: Any) -> int | None:
    """The number in the id of an artifact, as a manifest has it."""
    try:
        return ids.read("Artifact", str(id))
    except RefusedError:
        return None


def _find(connection: sqlite3.Connection, artifact: int) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(f"{OWN}WHERE artifact.id = ?", (artifact,)).fetchone()
    return row


def _row(connection: sqlite3.Connection, artifact: int) -> sqlite3.Row:
    row = _find(connection, artifact)
    if row is None:
        raise KeyError(artifact)
    return row


def _tag(connection: sqlite3.Connection, artifact: int, more: Sequence[str], less: Sequence[str]) -> None:
    tags = ({*json.loads(_row(connection, artifact)["tags"])} | {*more}) - {*less}
    connection.execute("UPDATE artifact SET tags = ?, updated_at = ? WHERE id = ?", (json.dumps(sorted(tags)), time.time(), artifact))
