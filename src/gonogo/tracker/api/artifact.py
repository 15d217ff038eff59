"""Artifacts, their collections and types, as queries ask for them."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from gonogo.tracker.api import ids
from gonogo.tracker.api.context import Context, connect
from gonogo.tracker.filters import timestamp
from gonogo.tracker.store.runs import RefusedError


def collections(
    context: Context, project: int, kind: str | None, after: str | None, first: int | None, filters: str | None
) -> dict[str, Any]:
    """A page of the collections of a project, of some type if one is given.

    Raises:
        RefusedError: They are to be filtered, which is not supported.
    """
    if filters and filters != "{}":
        raise RefusedError(f"artifactCollections: filters are not supported here: {filters:.200}")
    return connect(context.store.artifacts.collections(project, kind), first, after)


class TypeNode:
    """A type of artifacts."""

    def __init__(self, context: Context, project: sqlite3.Row, name: str) -> None:
        self._context = context
        self._project = project
        self.id = ids.make("ArtifactType", project["id"])
        self.name = name
        self.description = ""
        self.created_at = timestamp(project["created_at"])

    def artifact_collection(self, name: str) -> sqlite3.Row | None:
        """A collection of this type, or nothing."""
        return self._context.store.artifacts.collection(self._project["id"], name, self.name)

    def artifact_collections(self, after: str | None = None, first: int | None = None, filters: str | None = None) -> dict[str, Any]:
        """The collections of this type."""
        return collections(self._context, self._project["id"], self.name, after, first, filters)


class CollectionNode:
    """A collection: the versions of an artifact."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = row
        self.id = ids.make("ArtifactSequence", row["id"])
        self.name = row["name"]
        self.description = ""
        self.created_at = timestamp(row["created_at"])
        self.digest_algorithm = "MANIFEST_MD5"
        self.tags: dict[str, Any] = {"edges": []}

    def updated_at(self) -> str:
        """When its newest version was made or changed."""
        return timestamp(max([row["updated_at"] for row in self._versions()], default=self._row["created_at"]))

    def project(self) -> sqlite3.Row:
        """The project that it is in."""
        return self._context.store.runs.project_of(self._row["project"])

    def type(self) -> dict[str, Any]:
        """Its type."""
        return {"id": ids.make("ArtifactType", self._row["project"]), "name": self._row["kind"]}

    default_artifact_type = type

    def aliases(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """All aliases of its versions."""
        found = [alias for row in self._versions() for alias in ArtifactNode(self._context, row).aliases()]
        return connect(found, first, after)

    def latest_artifact(self) -> sqlite3.Row | None:
        """The newest version, or nothing."""
        rows = self._versions()
        return rows[0] if rows else None

    def artifact_membership(self, alias_name: str) -> MembershipNode | None:
        """The version that an alias names, or nothing."""
        return MembershipNode.find(self._context, self._row, alias_name)

    def artifacts(
        self, after: str | None = None, first: int | None = None, order: str | None = None, filters: str | None = None
    ) -> dict[str, Any]:
        """Its versions, newest first; all that are listed are committed, so that filter alone changes nothing."""
        if filters and json.loads(filters) not in ({}, {"state": "COMMITTED"}):
            raise RefusedError(f"artifacts: filters are not supported here: {filters[:80]}")
        page = connect(self._versions(), first, after)
        for edge in page["edges"]:
            edge["version"] = f"v{edge['node']['version']}"
        return page

    def _versions(self) -> list[sqlite3.Row]:
        return self._context.store.artifacts.versions(self._row["id"])


class ArtifactNode:
    """A version of an artifact."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = row
        self.id = ids.make("Artifact", row["id"])
        self.version_index = row["version"]
        self.description, self.metadata, self.history_step = row["description"], row["metadata"], row["history_step"]
        self.state, self.size, self.digest, self.file_count = row["state"], row["size"], row["digest"], row["files"]
        self.created_at, self.updated_at = timestamp(row["created_at"]), timestamp(row["updated_at"])
        self.ttl_duration_seconds = -1  # nothing here goes away by itself
        self.ttl_is_inherited = True
        self.tags: list[Any] = []
        self.digest_algorithm = "MANIFEST_MD5"
        self.commit_hash = f"{row['id']:020x}"

    def artifact_sequence(self) -> sqlite3.Row | None:
        """The collection that it was made in."""
        return self._context.store.artifacts.collection_by_number(self._row["collection"])

    def artifact_type(self) -> dict[str, Any]:
        """Its type."""
        return {"id": ids.make("ArtifactType", self._row["project"]), "name": self._row["kind"]}

    def aliases(self) -> list[dict[str, Any]]:
        """Its aliases."""
        names = self._context.store.artifacts.aliases(self._row["id"])
        collection = self.artifact_sequence()
        return [{"id": f"{self.id}:{name}", "alias": name, "artifact_collection": collection} for name in names]

    def current_manifest(self) -> dict[str, Any] | None:
        """Its manifest, or nothing while none was uploaded."""
        file = self._context.store.artifacts.manifest(self._row["id"])
        return {"id": ids.make("ArtifactManifest", file["manifest"]), "file": file} if file else None

    def created_by(self) -> sqlite3.Row | None:
        """The run that made it, or nothing."""
        return self._context.store.runs.get(self._row["run"]) if self._row["run"] is not None else None

    def used_by(self) -> dict[str, Any]:
        """The runs that read it."""
        store = self._context.store
        return connect([store.runs.get(run) for run in store.artifacts.users(self._row["id"])])


class MembershipNode:
    """A version as a member of a collection."""

    def __init__(self, context: Context, row: sqlite3.Row, collection: sqlite3.Row) -> None:
        self._context = context
        self._row = self.artifact = row
        self.artifact_collection = collection
        self.id = ids.make("ArtifactCollectionMembership", row["id"])
        self.version_index = row["version"]
        self.created_at = timestamp(row["created_at"])

    @classmethod
    def find(cls, context: Context, collection: sqlite3.Row, alias: str) -> MembershipNode | None:
        """The version that an alias names in a collection, or nothing."""
        row = context.store.artifacts.version(collection["id"], alias)
        return cls(context, row, collection) if row else None

    def aliases(self) -> list[dict[str, Any]]:
        """Its aliases there."""
        return ArtifactNode(self._context, self._row).aliases()

    def files(self, names: list[str] | None = None, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The files that its manifest lists and this server holds, some of which came with an earlier version."""
        store = self._context.store
        entries = store.artifacts.entries(self._row["id"]) or {}
        found = []
        for name, entry in sorted(entries.items()):
            birth = entry.get("birthArtifactID")
            owner = ids.read("Artifact", birth) if isinstance(birth, str) and birth else self._row["id"]
            rows = store.files.of_artifact(owner, [name]) if not names or name in names else []
            found += rows
        return connect(found, first, after)
