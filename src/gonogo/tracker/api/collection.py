"""Collections of artifacts and their types, as queries ask for them."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from gonogo.tracker import filters
from gonogo.tracker.api.context import Base, Context, connect, there
from gonogo.tracker.fields import ARTIFACTS, COLLECTIONS, Document, timestamp
from gonogo.tracker.store import ids
from gonogo.tracker.store.runs import RefusedError

SEQUENCE, PORTFOLIO = "ArtifactSequence", "ArtifactPortfolio"


def collections(
    context: Context, project: int, kind: str | None, after: str | None, first: int | None, text: str | None, order: str | None
) -> dict[str, Any]:
    """A page of the collections of a project that fit a filter, of some type if one is given."""
    documents = [Document(row, COLLECTIONS) for row in context.store.artifacts.collections.of_project(project, kind)]
    return connect([document.row for document in filters.select(documents, text, order, COLLECTIONS)], first, after)


def versions(context: Context, rows: list[sqlite3.Row], text: str | None, order: str | None) -> list[sqlite3.Row]:
    """The members of a collection that fit a filter, in an order: newest first, if none is given."""
    known = context.store.artifacts.collections
    named = {row["id"]: [alias["name"] for alias in known.aliases(row["id"], row["member_of"])] for row in rows}
    documents = [Document(row, ARTIFACTS, aliases=named[row["id"]], version=row["member_version"]) for row in rows]
    return [document.row for document in filters.select(documents, text, order, ARTIFACTS)]


def tags(row: sqlite3.Row) -> list[dict[str, Any]]:
    """Tags as clients read them."""
    return [{"id": f"Tag:{name}", "name": name, "tag_category_name": None} for name in json.loads(row["tags"])]


class TypeNode:
    """A type of artifacts."""

    def __init__(self, context: Context, project: sqlite3.Row, name: str) -> None:
        self._context = context
        self._project = project
        self.id = ids.make("ArtifactType", project["id"])
        self.name = name
        self.description = ""
        self.created_at = timestamp(project["created_at"])

    def artifact(self, name: str) -> sqlite3.Row | None:
        """A version of an artifact of this type by `name:alias`, or nothing."""
        collection, _, alias = name.partition(":")
        found = self.artifact_collection(collection)
        return self._context.store.artifacts.collections.member(found["id"], alias or "latest") if found else None

    def artifact_collection(self, name: str) -> sqlite3.Row | None:
        """A collection of this type, or nothing."""
        return self._context.store.artifacts.collections.find(self._project["id"], name, self.name)

    def artifact_sequence(self, name: str) -> sqlite3.Row | None:
        """A sequence of this type, or nothing."""
        row = self.artifact_collection(name)
        return None if row is None or row["portfolio"] else row

    def artifact_collections(
        self, after: str | None = None, first: int | None = None, filters: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        """The collections of this type."""
        return collections(self._context, self._project["id"], self.name, after, first, filters, order)


class CollectionNode:
    """A collection: the versions of an artifact, or versions of others that are linked to it."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = row
        self._known = context.store.artifacts.collections
        self.type_name = PORTFOLIO if row["portfolio"] else SEQUENCE
        self.id = ids.make(self.type_name, row["id"])
        self.name = row["name"]
        self.description = row["description"] if row["described"] else None
        self.created_at = timestamp(row["created_at"])
        self.state = "READY"
        self.digest_algorithm = "MANIFEST_MD5"
        self.tags = connect(tags(row))

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
        found = [alias for row in self._versions() for alias in aliases(self._context, row["id"], self._row["id"])]
        return connect(found, first, after)

    def latest_artifact(self) -> sqlite3.Row | None:
        """The newest version, or nothing."""
        rows = self._versions()
        return rows[0] if rows else None

    def artifact_membership(self, alias_name: str) -> sqlite3.Row | None:
        """The version that an alias names, or nothing."""
        return self._known.member(self._row["id"], alias_name)

    def artifacts(
        self, after: str | None = None, first: int | None = None, order: str | None = None, filters: str | None = None
    ) -> dict[str, Any]:
        """Its versions that fit a filter, newest first if no order is given."""
        page = connect(versions(self._context, self._versions(), filters, order), first, after)
        for edge in page["edges"]:
            edge["version"] = f"v{edge['node']['member_version']}"
        return page

    def artifact_memberships(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """Its versions as its members, newest first."""
        return connect(self._versions(), first, after)

    def _versions(self) -> list[sqlite3.Row]:
        return self._known.members(self._row["id"])


def aliases(context: Context, artifact: int, collection: int | None = None) -> list[dict[str, Any]]:
    """The aliases of a version, those in one collection if one is given."""
    known = context.store.artifacts.collections
    return [
        {"id": f"{ids.make('Artifact', artifact)}:{row['name']}", "alias": row["name"], "artifact_collection": known.get(row["collection"])}
        for row in known.aliases(artifact, collection)
    ]


class CollectionMutations(Base):
    """What clients change of collections."""

    def update_artifact_sequence(self, input: dict[str, Any]) -> dict[str, Any]:
        """Change the name or the description of a sequence."""
        return self._update(ids.read(SEQUENCE, input["artifactSequenceID"]), input)

    def update_artifact_portfolio(self, input: dict[str, Any]) -> dict[str, Any]:
        """Change the name or the description of a portfolio."""
        return self._update(ids.read(PORTFOLIO, input["artifactPortfolioID"]), input)

    def move_artifact_sequence(self, input: dict[str, Any]) -> dict[str, Any]:
        """Give a sequence another type."""
        number = ids.read(SEQUENCE, input["artifactSequenceID"])
        row = self.store.artifacts.collections.update(number, {"kind": input["destinationArtifactTypeName"]})
        return {"artifact_collection": row}

    def delete_artifact_sequence(self, input: dict[str, Any]) -> dict[str, Any]:
        """Remove a sequence with all of its versions."""
        return self._delete(SEQUENCE, input["artifactSequenceID"])

    def delete_artifact_portfolio(self, input: dict[str, Any]) -> dict[str, Any]:
        """Remove a portfolio; the versions that were linked to it stay."""
        return self._delete(PORTFOLIO, input["artifactPortfolioID"])

    def create_artifact_collection_tag_assignments(self, input: dict[str, Any]) -> dict[str, Any]:
        """Give tags to a collection."""
        row, known = self._named(input)
        row = self.store.artifacts.collections.update(row["id"], {"tags": [*known, *_tag_names(input)]})
        return {"tags": tags(row)}

    def delete_artifact_collection_tag_assignments(self, input: dict[str, Any]) -> dict[str, Any]:
        """Take tags from a collection."""
        row, known = self._named(input)
        self.store.artifacts.collections.update(row["id"], {"tags": [name for name in known if name not in _tag_names(input)]})
        return {"success": True}

    def create_artifact_type(self, input: dict[str, Any]) -> dict[str, Any]:
        """Name a type, which needs no making: it is there as soon as a collection has it."""
        project = self.store.runs.make_project(self.entity(input), input["projectName"])
        return {"artifact_type": TypeNode(self.context, project, input["name"])}

    def _update(self, collection: int, input: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {
            key: input[key] for key in ("name", "description") if key in input and (key == "description" or input[key] is not None)
        }
        return {"artifact_collection": self.store.artifacts.collections.update(collection, values)}

    def _delete(self, kind: str, id: str) -> dict[str, Any]:
        row = there(self.store.artifacts.collections.get(ids.read(kind, id)), "collection")
        self.store.artifacts.delete_collection(row["id"])
        self.store.care.wake()
        node = CollectionNode(self.context, row)
        return {"artifact_collection": {"type_name": node.type_name, "id": node.id, "name": node.name, "state": "DELETED"}}

    def _named(self, input: dict[str, Any]) -> tuple[sqlite3.Row, list[str]]:
        row = named(self, self.entity(input), input["projectName"], input["artifactCollectionName"])
        return row, json.loads(row["tags"])


def named(base: Base, entity: str, project: str, name: str) -> sqlite3.Row:
    """A collection by its names.

    Raises:
        RefusedError: There is no such one.
    """
    found = base.store.runs.project(entity, project)
    row = base.store.artifacts.collections.find(found["id"], name) if found else None
    if row is None:
        raise RefusedError(f"collection {entity}/{project}/{name}: there is no such one")
    return row


def _tag_names(input: dict[str, Any]) -> list[str]:
    return [tag["tagName"] for tag in input["tags"]]
