"""Who a tracker knows: one user, any entity that is named, and organizations.

Each entity has the organization of the same name with its registries.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from gonogo.tracker import filters
from gonogo.tracker.api.collection import versions
from gonogo.tracker.api.context import Context, connect
from gonogo.tracker.fields import COLLECTIONS, PROJECTS, Document
from gonogo.tracker.store import ids

# What the names of projects begin with that are registries.
REGISTRY = "wandb-registry-"


def viewer(context: Context) -> dict[str, Any]:
    """The one user that a tracker knows."""
    name = context.settings.entity
    own = EntityNode(context, name)
    user = {"id": ids.make("User", 1), "name": name, "username": name, "email": f"{name}@localhost", "entity": name, "admin": False}
    return user | {
        "flags": "{}",
        "deleted_at": None,
        "photo_url": None,
        "api_keys": connect([{"id": ids.make("ApiKey", 1), "name": "api_key", "description": "of this tracker"}]),
        "teams": connect([own]),
        "organizations": [own.organization()],
    }


class EntityNode:
    """An entity.

    Its projects whose names begin with `wandb-registry-` are registries of its organization.
    """

    def __init__(self, context: Context, name: str, kind: str | None = None) -> None:
        self._context = context
        self.id = ids.make("Entity", 1)
        self.name = name
        self.xxhash_digests_enabled = False
        self.is_team = name != context.settings.entity
        self.entity_type = kind or ("team" if self.is_team else "user")

    def organization(self) -> dict[str, Any]:
        """Its organization. That is in no cloud, where the client would look for it."""
        return {
            "id": ids.make("Organization", 1),
            "name": self.name,
            "core_weave_organization_id": None,
            "org_entity": EntityNode(self._context, self.name, "organization"),
            "advanced_registry_features": {"advanced_search": False},
            "feature_flags": [],
        }

    def user(self) -> dict[str, Any]:
        """The user behind it."""
        return viewer(self._context)

    def project(self, name: str | None = None) -> sqlite3.Row | None:
        """A project by name, or nothing."""
        return self._context.store.runs.project(self.name, name or "")

    def projects(
        self, filters: str | None = None, after: str | None = None, first: int | None = None, order: str | None = None
    ) -> dict[str, Any]:
        """The registries of its organization that fit a filter."""
        return connect(self._projects(filters, order), first, after)

    def artifact_collections(
        self,
        project_filters: str | None = None,
        filters: str | None = None,
        collection_types: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
    ) -> dict[str, Any]:
        """The collections in its registries that fit filters."""
        return connect(self._collections(project_filters, filters, collection_types, order), first, after)

    def artifact_memberships(
        self,
        project_filters: str | None = None,
        collection_filters: str | None = None,
        filters: str | None = None,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
    ) -> dict[str, Any]:
        """The versions in the portfolios of its registries that fit filters."""
        known = self._context.store.artifacts.collections
        portfolios = self._collections(project_filters, collection_filters, ["PORTFOLIO"], None)
        rows = [row for portfolio in portfolios for row in known.members(portfolio["id"])]
        return connect(versions(self._context, rows, filters, order), first, after)

    def _projects(self, text: str | None, order: str | None) -> list[sqlite3.Row]:
        rows = [row for row in self._context.store.runs.projects(self.name) if row["name"].startswith(REGISTRY)]
        documents = [Document(row, PROJECTS) for row in rows]
        return [document.row for document in filters.select(documents, text, order, PROJECTS)]

    def _collections(self, project_text: str | None, text: str | None, kinds: list[str] | None, order: str | None) -> list[sqlite3.Row]:
        known = self._context.store.artifacts.collections
        rows = [row for project in self._projects(project_text, None) for row in known.of_project(project["id"])]
        wanted = [row for row in rows if not kinds or ("PORTFOLIO" if row["portfolio"] else "SEQUENCE") in kinds]
        return [document.row for document in filters.select([Document(row, COLLECTIONS) for row in wanted], text, order, COLLECTIONS)]
