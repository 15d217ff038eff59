"""The roots of reading: who asks, and which projects and artifacts there are."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

from gonogo.tracker import filters
from gonogo.tracker.api.collection import TypeNode, collections
from gonogo.tracker.api.context import Context, Listing, connect, offset_of
from gonogo.tracker.api.people import EntityNode, viewer
from gonogo.tracker.api.sweep import sweeps
from gonogo.tracker.fields import Document, timestamp
from gonogo.tracker.store import ids

DEFAULT_PAGE = 50
# What clients do only with servers that say they know it.
FEATURES = (
    "ARTIFACT_TAGS",
    "ARTIFACT_REGISTRY_SEARCH",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "INCLUDE_ARTIFACT_TYPES_IN_REGISTRY_CREATION",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "SWEEPS_LOCAL_SCHEDULER",
    "SWEEPS_QUERY_FILTERING",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
)


class Query:
    """The root of every query."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # Clients up to 0.29 use ids of their own for artifacts only where the server says that it knows newer clients.
        self.server_info: dict[str, Any] = {
            "features": [{"name": name, "is_enabled": True} for name in FEATURES],
            "cli_version_info": {"max_cli_version": "1.0.0"},
            "latest_local_version_info": None,
        }

    def viewer(self) -> dict[str, Any]:
        """Who asks."""
        return viewer(self._context)

    def entity(self, name: str | None = None) -> EntityNode:
        """An entity by name: any name is one."""
        return EntityNode(self._context, name or self._context.settings.entity)

    def organization(self, name: str) -> dict[str, Any]:
        """The organization of an entity."""
        return EntityNode(self._context, name).organization()

    def models(self, entity_name: str | None = None, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The projects of an entity."""
        rows = self._context.store.runs.projects(entity_name or self._context.settings.entity)
        return connect(rows, first, after)

    def project(self, name: str | None = None, entity_name: str | None = None) -> sqlite3.Row | None:
        """A project by name, or nothing."""
        return self._context.store.runs.project(entity_name or self._context.settings.entity, name or "")

    model = project

    def artifact(self, id: str) -> sqlite3.Row | None:
        """An artifact by id, or nothing."""
        return self._context.store.artifacts.get(ids.read("Artifact", id))

    def artifact_collection(self, id: str) -> sqlite3.Row | None:
        """A collection of artifacts by id, or nothing."""
        kind = "ArtifactPortfolio" if ids.kind_of(id) == "ArtifactPortfolio" else "ArtifactSequence"
        return self._context.store.artifacts.collections.get(ids.read(kind, id))

    def client_id_mapping(self, client_id: str) -> dict[str, str] | None:
        """The id of an artifact that the client knows by an id of its own, or nothing."""
        row = self._context.store.artifacts.by_client(client_id)
        return {"server_id": ids.make("Artifact", row["id"])} if row else None


class ProjectNode:
    """A project."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = row
        self.id = ids.make("Project", row["id"])
        self.internal_id = ids.make("ProjectInternalId", row["id"])
        self.name = row["name"]
        self.entity_name = row["entity"]
        self.created_at = timestamp(row["created_at"])
        self.updated_at = timestamp(row["updated_at"] if "updated_at" in row.keys() else row["created_at"])  # noqa: SIM118 (a row, no dict)
        self.description = row["description"] if row["described"] else None
        self._settings = json.loads(row["settings"])
        self.access = self._settings.get("access") or "PRIVATE"
        self.allow_all_artifact_types_in_registry = self._settings.get("allow_all", True)
        self.views = "{}"
        self.docker_image = self.repo = None
        self.is_benchmark = self.read_only = False

    def entity(self) -> EntityNode:
        """Whose it is."""
        return EntityNode(self._context, self.entity_name)

    def user(self) -> dict[str, Any]:
        """Who made it."""
        return viewer(self._context)

    def run_count(self, filters: str | None = None) -> int:
        """How many runs fit a filter."""
        if not filters or filters == "{}":
            return self._context.store.runs.count(self._row["id"])
        return len(self._listing(filters, None).runs)

    def runs(
        self, filters: str | None = None, after: str | None = None, first: int | None = None, order: str | None = None
    ) -> dict[str, Any]:
        """The runs that fit a filter, page by page.

        The list is made for the first page and kept while a client pages through it, so that none is met twice or missed because others
        changed meanwhile. The cursor names the list and the place in it.
        """
        number, _, place = (after or "").partition(":")
        listing = self._context.listings.get(number) or self._listing(filters, order)
        begin, found = offset_of(place or None), listing.runs
        end = min(len(found), begin + (DEFAULT_PAGE if first is None else max(0, first)))
        rows = [self._context.store.runs.get(run) for run in found[begin:end]]
        edges = [{"node": row, "cursor": f"{listing.number}:{at}"} for at, row in enumerate(rows, begin + 1) if row is not None]
        return {"edges": edges, "page_info": {"end_cursor": f"{listing.number}:{end}", "has_next_page": end < len(found)}}

    def buckets(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The runs, newest first: what older queries call them."""
        return self.runs(None, after, first, "-created_at")

    def total_sweeps(self) -> int:
        """How many sweeps it has."""
        return len(self._context.store.sweeps.of_project(self._row["id"]))

    def sweeps(self, after: str | None = None, first: int | None = None, filters: str | None = None) -> dict[str, Any]:
        """Its sweeps that fit a filter, newest first."""
        return sweeps(self._context, self._row["id"], after, first, filters)

    def sweep(self, sweep_name: str) -> sqlite3.Row | None:
        """A sweep by its name, or nothing."""
        return self._context.store.sweeps.find(self._row["id"], sweep_name)

    def all_views(self, view_type: str | None = None, view_name: str | None = None) -> dict[str, Any]:
        """Its reports: a tracker keeps none."""
        return connect([])

    def run(self, name: str) -> sqlite3.Row | None:
        """A run by its id, or nothing."""
        return self._context.store.runs.find(self.entity_name, self.name, name)

    def bucket(self, name: str, missing_ok: bool = False) -> sqlite3.Row | None:
        """A run by its id, or nothing: the name of a run in older queries."""
        return self.run(name)

    def artifact(self, name: str) -> sqlite3.Row | None:
        """An artifact by `name:alias`, or nothing."""
        return self.artifact_collection_membership(name)

    def artifact_type(self, name: str) -> TypeNode | None:
        """A type of artifacts, or nothing."""
        found = self._context.store.artifacts.collections.of_project(self._row["id"], name) or name in self._settings.get("types", ())
        return TypeNode(self._context, self._row, name) if found else None

    def artifact_types(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """All types of artifacts, those aside that a registry allows."""
        found = {row["kind"] for row in self._context.store.artifacts.collections.of_project(self._row["id"])}
        kinds = sorted(found | {*self._settings.get("types", ())})
        return connect([TypeNode(self._context, self._row, kind) for kind in kinds], first, after)

    def artifact_collection(self, name: str) -> sqlite3.Row | None:
        """A collection of artifacts, or nothing."""
        return self._context.store.artifacts.collections.find(self._row["id"], name)

    def artifact_collections(
        self, after: str | None = None, first: int | None = None, filters: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        """The collections of artifacts that fit a filter."""
        return collections(self._context, self._row["id"], None, after, first, filters, order)

    def artifact_collection_membership(self, name: str) -> sqlite3.Row | None:
        """An artifact in its collection by `name:alias`, or nothing."""
        collection, _, alias = name.partition(":")
        found = self.artifact_collection(collection)
        return self._context.store.artifacts.collections.member(found["id"], alias or "latest") if found else None

    def _listing(self, text: str | None, order: str | None) -> Listing:
        """The runs that fit a filter, in order, as of now; not made again while nothing was written."""
        listings, commits = self._context.listings, self._context.store.database.commits
        # Runs crash by being silent: who asks for states gets a list of this second.
        now = int(time.monotonic()) if "state" in f"{text}{order}" else None
        key = (self._row["id"], text, order, commits, now)
        return listings.same(key) or listings.add(key, self._select(text, order))

    def _select(self, text: str | None, order: str | None) -> list[int]:
        runs = self._context.store.runs
        test, names = filters.parse(text)
        order = order or "+created_at"
        key, down = filters.order_key(order)
        columns = filters.columns_of(names | {order.lstrip("+-")}) - {"state", "tags", "sweep_name"}
        wanted = ", ".join(["id", "state", "heartbeat_at", "tags", "sweep", *sorted(columns - {"heartbeat_at"})])
        name = self._context.settings.entity
        sweeps = {row["id"]: row["name"] for row in self._context.store.sweeps.of_project(self._row["id"])}
        documents = (
            Document(row, state=runs.state(row), username=name, sweep_name=sweeps.get(row["sweep"]))
            for row in runs.scan(self._row["id"], "id", wanted)
        )
        chosen = [(key(document), document.row["id"]) for document in documents if test(document)]
        return [number for _, number in sorted(chosen, key=lambda pair: pair[0], reverse=down)]
