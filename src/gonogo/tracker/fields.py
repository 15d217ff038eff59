"""The fields by which things can be filtered and sorted.

The things are runs, artifacts, their collections, projects and sweeps.

Source: the W&B documentation of `Api.runs`, `Api.artifacts` and `Api.registries` for the names of fields.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gonogo.tracker.store.history import MISSING, lookup
from gonogo.tracker.store.runs import RefusedError

TIMES = ("created_at", "heartbeat_at", "updated_at")
LISTS = ("tags",)
OBJECTS = ("config", "summary", "metadata")


@dataclass(frozen=True)
class Fields:
    """The fields of a kind of things.

    Attributes:
        what: What the things are called.
        names: Names as clients write them, and the columns that they mean.
        objects: Beginnings of names that lead into an object, and its column.
    """

    what: str
    names: Mapping[str, str]
    objects: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> tuple[str, str]:
        """The column that a name means, and the path inside it.

        Raises:
            RefusedError: There is no such field.
        """
        if name in self.names:
            return self.names[name], ""
        head, _, path = name.partition(".")
        if head in self.objects and path:
            return self.objects[head], path
        known = sorted(self.names) + [f"{head}.*" for head in self.objects]
        raise RefusedError(f"filter: {self.what} have no field {name!r}; there are {', '.join(known)}")


def _both(*names: str) -> dict[str, str]:
    """Columns under their own names, and as clients of GraphQL write them."""
    return {written: name for name in names for written in (name, _camel(name))}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


RUNS = Fields(
    "runs",
    {
        **_both(
            "name", "display_name", "state", "tags", "job_type", "notes", "description", "host", "program", "created_at", "heartbeat_at"
        ),
        "group": "run_group",
        "commit": "commit_hash",
        "updatedAt": "heartbeat_at",
        "updated_at": "heartbeat_at",
        "username": "username",
        "user.username": "username",
        "sweep": "sweep_name",
        "sweepName": "sweep_name",
        "sweep_name": "sweep_name",
    },
    {"config": "config", "summary_metrics": "summary", "summaryMetrics": "summary", "summary": "summary"},
)
ARTIFACTS = Fields(
    "artifacts",
    {
        **_both("state", "digest", "description", "size", "tags", "aliases", "created_at", "updated_at"),
        **dict.fromkeys(("version", "versionIndex", "version_index"), "version"),
        **dict.fromkeys(("tag", "tags.name", "tags__name"), "tags"),
        **dict.fromkeys(("alias", "aliases.alias"), "aliases"),
        **dict.fromkeys(("id", "artifact_id"), "id"),
        "name": "name",
        "type": "kind",
        "artifactType": "kind",
    },
    {"metadata": "metadata", "artifact_metadata": "metadata"},
)
COLLECTIONS = Fields(
    "collections of artifacts",
    {
        **_both("name", "description", "tags", "created_at", "updated_at"),
        **dict.fromkeys(("id", "collection_id", "artifact_collection_id"), "id"),
        "tag": "tags",
        "type": "kind",
        "artifact_type": "kind",
        "artifactType": "kind",
    },
)
PROJECTS = Fields("projects", {**_both("name", "description", "created_at", "updated_at"), "id": "id", "project_id": "id"})
SWEEPS = Fields("sweeps", {**_both("name", "display_name", "description", "state", "created_at", "updated_at"), "method": "method"})


class Document:
    """A thing as filters see it: a row of the database, and what is known of it beside."""

    def __init__(self, row: sqlite3.Row, fields: Fields = RUNS, **beside: Any) -> None:
        self.row = row
        self.fields = fields
        self._beside = beside
        self._parsed: dict[str, Any] = {}

    def value(self, column: str, path: str) -> Any:
        """The value of a column, or of an entry of a column that is an object; MISSING where there is none."""
        if column in self._beside:
            value = self._beside[column]
            return MISSING if value is None else value
        if column in OBJECTS:
            return self._entry(column, path)
        value = self.row[column]
        if value is None and column == "display_name":
            return self.row["name"]  # as it is shown
        if value is None:
            return MISSING
        if column in LISTS:
            return self._object(column)
        return timestamp(value) if column in TIMES else value

    def _object(self, column: str) -> Any:
        if column not in self._parsed:
            self._parsed[column] = json.loads(self.row[column] or "{}")
        return self._parsed[column]

    def _entry(self, column: str, path: str) -> Any:
        whole = self._object(column)
        found = lookup(whole, path) if isinstance(whole, dict) else MISSING
        if found is MISSING and column == "config":  # {"optimizer": {"value": {"lr": 1}}} is asked for as optimizer.lr
            key, _, rest = path.partition(".")
            entry = whole.get(key)
            value = entry.get("value", MISSING) if isinstance(entry, dict) else MISSING
            found = lookup(value, rest) if rest and isinstance(value, dict) else MISSING if rest else value
        if column == "config" and isinstance(found, dict) and "value" in found:
            return found["value"]
        return found


def timestamp(seconds: float) -> str:
    """A time as W&B writes it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
