"""A file, as queries ask for it."""

from __future__ import annotations

import mimetypes
import sqlite3

from gonogo.tracker.api.context import Context
from gonogo.tracker.fields import timestamp
from gonogo.tracker.store import ids


class FileNode:
    """A file of a run, an artifact or a manifest; `name` is another where the manifest calls it so."""

    def __init__(self, context: Context, row: sqlite3.Row, name: str | None = None) -> None:
        self._context = context
        self._row = row
        self.id = ids.make("File", row["id"])
        self.name = self.display_name = name or row["name"]
        self.size_bytes = row["size"]
        self.mimetype = mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        self.updated_at = timestamp(row["updated_at"]) if row["updated_at"] is not None else None
        self.md5 = self.digest = row["md5"] or row["expected"]
        self.storage_path = f"wandb_artifacts/{row['id']}"
        self.upload_headers: list[str] = []
        self.upload_multipart_urls = None  # a file goes up in one piece

    def url(self, upload: bool = False) -> str:
        """Where it can be had, or sent."""
        return self.upload_url() if upload else self.direct_url()

    def direct_url(self) -> str:
        """Where it can be had, without a key."""
        # W&B's own store has the content of artifacts below this folder, and clients' tests look for it.
        folder = "wandb_artifacts/" if self._row["artifact"] is not None else ""
        return self._context.links.download(self._row["id"], folder + self.name)

    def upload_url(self) -> str:
        """Where it can be sent, without a key."""
        return self._context.links.upload(self._row["id"])

    def artifact(self) -> dict[str, str] | None:
        """The artifact that it belongs to, as far as uploads ask for it."""
        return {"id": ids.make("Artifact", self._row["artifact"])} if self._row["artifact"] is not None else None
