"""The roots of reading: who asks, and which projects and artifacts there are."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from gonogo.tracker import filters
from gonogo.tracker.api import ids
from gonogo.tracker.api.artifact import MembershipNode, TypeNode, collections
from gonogo.tracker.api.context import Context, Listing, connect, offset_of
from gonogo.tracker.api.people import entity, viewer

DEFAULT_PAGE = 50


class Query:
    """The root of every query."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # Clients up to 0.29 use ids of their own for artifacts only where the server says that it knows newer clients.
        self.server_info: dict[str, Any] = {
            "features": [],
            "cli_version_info": {"max_cli_version": "1.0.0"},
            "latest_local_version_info": None,
        }

    def viewer(self) -> dict[str, Any]:
        """Who asks."""
        return viewer(self._context)

    def entity(self, name: str) -> dict[str, Any]:
        """An entity by name."""
        return entity(name)

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
        return self._context.store.artifacts.collection_by_number(ids.read("ArtifactSequence", id))

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
        self.created_at = filters.timestamp(row["created_at"])
        self.description = ""
        self.access = "PRIVATE"
        self.views = "{}"
        self.is_benchmark = self.read_only = False

    def entity(self) -> dict[str, Any]:
        """Whose it is."""
        return entity(self.entity_name)

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

    def run(self, name: str) -> sqlite3.Row | None:
        """A run by its id, or nothing."""
        return self._context.store.runs.find(self.entity_name, self.name, name)

    def bucket(self, name: str, missing_ok: bool = False) -> sqlite3.Row | None:
        """A run by its id, or nothing: the name of a run in older queries."""
        return self.run(name)

    def artifact(self, name: str) -> sqlite3.Row | None:
        """An artifact by `name:alias`, or nothing."""
        membership = self.artifact_collection_membership(name)
        return membership.artifact if membership else None

    def artifact_type(self, name: str) -> TypeNode | None:
        """A type of artifacts, or nothing."""
        found = self._context.store.artifacts.collections(self._row["id"], name)
        return TypeNode(self._context, self._row, name) if found else None

    def artifact_types(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """All types of artifacts."""
        kinds = sorted({row["kind"] for row in self._context.store.artifacts.collections(self._row["id"])})
        return connect([TypeNode(self._context, self._row, kind) for kind in kinds], first, after)

    def artifact_collection(self, name: str) -> sqlite3.Row | None:
        """A collection of artifacts, or nothing."""
        return self._context.store.artifacts.collection(self._row["id"], name)

    def artifact_collections(self, after: str | None = None, first: int | None = None, filters: str | None = None) -> dict[str, Any]:
        """All collections of artifacts."""
        return collections(self._context, self._row["id"], None, after, first, filters)

    def artifact_collection_membership(self, name: str) -> MembershipNode | None:
        """An artifact in its collection by `name:alias`, or nothing."""
        collection, _, alias = name.partition(":")
        found = self.artifact_collection(collection)
        return MembershipNode.find(self._context, found, alias or "latest") if found else None

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
        columns = filters.columns_of(names | {order.lstrip("+-")}) - {"state", "tags"}
        wanted = ", ".join(["id", "state", "heartbeat_at", "tags", *sorted(columns - {"heartbeat_at"})])
        name = self._context.settings.entity
        documents = (filters.Document(row, runs.state(row), name) for row in runs.scan(self._row["id"], "id", wanted))
        chosen = [(key(document), document.row["id"]) for document in documents if test(document)]
        return [number for _, number in sorted(chosen, key=lambda pair: pair[0], reverse=down)]
