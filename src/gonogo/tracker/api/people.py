"""Who a tracker knows: one user, and any entity that is named."""

from __future__ import annotations

from typing import Any

from gonogo.tracker.api import ids
from gonogo.tracker.api.context import Context


def viewer(context: Context) -> dict[str, Any]:
    """The one user that a tracker knows."""
    name = context.settings.entity
    teams = {"edges": [{"node": {"id": ids.make("Entity", 1), "name": name}}]}
    user = {"id": ids.make("User", 1), "name": name, "username": name, "email": f"{name}@localhost", "entity": name, "admin": False}
    return user | {"flags": "{}", "deleted_at": None, "api_keys": {"edges": []}, "teams": teams}


def entity(name: str) -> dict[str, Any]:
    """An entity: any name is one. It has no organization, or the client would look for one in a cloud."""
    return {"id": ids.make("Entity", 1), "name": name, "organization": None, "xxhash_digests_enabled": False}
