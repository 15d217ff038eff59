"""Versions of artifacts, as queries ask for them and as mutations make them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from gonogo.tracker.api.collection import aliases, named, tags
from gonogo.tracker.api.context import Base, Context, connect, there
from gonogo.tracker.fields import timestamp
from gonogo.tracker.store import ids
from gonogo.tracker.store.artifacts import Draft
from gonogo.tracker.store.runs import RefusedError

# What clients send instead of seconds to live, for those that never end.
ENDLESS = -1


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
        self.ttl_duration_seconds = ENDLESS if row["ttl"] is None else row["ttl"]
        self.ttl_is_inherited = row["ttl"] is None
        self.tags = tags(row)
        self.digest_algorithm = "MANIFEST_MD5"
        self.commit_hash = f"{row['id']:020x}"

    def artifact_sequence(self) -> sqlite3.Row | None:
        """The collection that it was made in."""
        return self._context.store.artifacts.collections.get(self._row["collection"])

    def artifact_type(self) -> dict[str, Any]:
        """Its type."""
        return {"id": ids.make("ArtifactType", self._row["project"]), "name": self._row["kind"]}

    def aliases(self) -> list[dict[str, Any]]:
        """Its aliases, in whatever collection."""
        return aliases(self._context, self._row["id"])

    def artifact_memberships(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The version in every collection that has it."""
        return connect(self._context.store.artifacts.collections.memberships(self._row["id"]), first, after)

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

    def files(self, names: list[str] | None = None, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """Its files."""
        return connect(_files(self._context, self._row["id"], names), first, after)

    def files_by_manifest_entries(
        self,
        storage_layout: str,
        manifest_version: str,
        entries: list[dict[str, Any]] | None = None,
        storage_region: str | None = None,
        after: str | None = None,
        first: int | None = None,
    ) -> dict[str, Any]:
        """The files that entries of its manifest name."""
        return self.files([entry["name"] for entry in entries] if entries is not None else None, after, first)


class MembershipNode:
    """A version as a member of a collection."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = self.artifact = row
        self.id = ids.make("ArtifactCollectionMembership", row["id"])
        self.version_index = row["member_version"]
        self.created_at = timestamp(row["member_since"])

    def artifact_collection(self) -> sqlite3.Row | None:
        """The collection."""
        return self._context.store.artifacts.collections.get(self._row["member_of"])

    def aliases(self) -> list[dict[str, Any]]:
        """Its aliases there."""
        return aliases(self._context, self._row["id"], self._row["member_of"])

    def files(self, names: list[str] | None = None, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The files of the version."""
        return connect(_files(self._context, self._row["id"], names), first, after)


def _files(context: Context, artifact: int, names: Sequence[str] | None) -> list[Any]:
    """Return the files that a manifest lists.

    They are those that this server holds, some of which came with an earlier version, and references.
    """
    store = context.store
    found: list[Any] = []
    for name, entry in sorted((store.artifacts.entries(artifact) or {}).items()):
        if names and name not in names:
            continue
        if isinstance(entry.get("ref"), str):  # the client downloads what is listed here, wherever it is
            found.append(_reference(artifact, name, entry))
            continue
        birth = entry.get("birthArtifactID")
        owner = ids.read("Artifact", birth) if isinstance(birth, str) and birth else artifact
        found += store.files.of_artifact(owner, [name])
    return found


def _reference(artifact: int, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A file that is elsewhere, as queries ask for it."""
    about = {"id": ids.make(f"Reference:{name}", artifact), "name": name, "display_name": name, "size_bytes": entry.get("size")}
    return about | {"md5": entry.get("digest"), "digest": entry.get("digest"), "direct_url": entry["ref"], "url": entry["ref"]}


class ArtifactMutations(Base):
    """What clients make and change of artifacts."""

    def create_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Begin a version of an artifact."""
        entity = self.entity(input)
        project = self.store.runs.make_project(entity, input["projectName"])
        names = input.get("artifactCollectionNames") or [input.get("artifactCollectionName")]
        if len(names) != 1 or not names[0]:
            raise RefusedError("createArtifact: just one collection is supported here")
        if input.get("storageRegion") not in (None, "", "default"):
            raise RefusedError(f"createArtifact: there is no storage region {input['storageRegion']} here; leave storage_region out")
        run = self.store.runs.find(entity, input["projectName"], input["runName"]) if input.get("runName") else None
        ttl = input.get("ttlDurationSeconds")
        draft = Draft(
            kind=input["artifactTypeName"],
            name=names[0],
            digest=input["digest"],
            run=run["id"] if run else None,
            aliases=[alias["alias"] for alias in input.get("aliases") or ()],
            client=input.get("clientID"),
            description=input.get("description"),
            metadata=input.get("metadata"),
            history_step=input.get("historyStep"),
            tags=_tags(input.get("tags")),
            ttl=None if ttl in (None, ENDLESS) else ttl,
            reuse=bool(input.get("enableDigestDeduplication")),
            distributed=input.get("distributedID") or None,
        )
        return {"artifact": self.store.artifacts.create(project["id"], draft)}

    def create_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        """Begin the manifest of a version and say where it may be sent."""
        artifact = self._artifact(input["artifactID"])
        base = ids.read("Artifact", input["baseArtifactID"]) if input.get("baseArtifactID") else None
        manifest = self.store.artifacts.make_manifest(artifact["id"], input.get("type") or "FULL", input["digest"], base)
        return self._manifest(manifest, self.store.files.expect(manifest=manifest, name=input["name"], md5=None))

    def update_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        """Change the digest of a manifest and say where it may be sent."""
        row = self.store.artifacts.update_manifest(ids.read("ArtifactManifest", input["artifactManifestID"]), input.get("digest"))
        number = there(row, "manifest")["id"]
        return self._manifest(number, self.store.files.expect(manifest=number, name="wandb_manifest.json", md5=None))

    def create_artifact_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """Say where some files of artifacts may be sent."""
        rows = []
        for asked in input["artifactFiles"]:
            artifact = self._artifact(asked["artifactID"])
            file = self.store.files.get(self.store.files.expect(artifact=artifact["id"], name=asked["name"], md5=asked["md5"]))
            rows.append(there(file, "file"))
        return {"files": connect(rows)}

    def commit_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a version visible."""
        return {"artifact": self.store.artifacts.commit(ids.read("Artifact", input["artifactID"]))}

    def update_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Change what is said of a version."""
        artifact = self._artifact(input["artifactID"])
        given = input.get("aliases")
        values: dict[str, Any] = {key: input[key] for key in ("description", "metadata") if key in input}
        if input.get("ttlDurationSeconds") is not None:
            values["ttl"] = None if input["ttlDurationSeconds"] == ENDLESS else input["ttlDurationSeconds"]
        self.store.artifacts.update(artifact["id"], values, None if given is None else [alias["alias"] for alias in given])
        self.store.artifacts.tag(artifact["id"], _tags(input.get("tagsToAdd")), _tags(input.get("tagsToDelete")))
        return {"artifact": self._artifact(input["artifactID"])}

    def delete_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Remove a version."""
        artifact = self._artifact(input["artifactID"])
        self.store.artifacts.delete(artifact["id"], bool(input.get("deleteAliases")))
        self.store.care.wake()
        return {"artifact": self._artifact(input["artifactID"])}

    def add_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Give a version more aliases."""
        artifact = self._artifact(input["artifactID"])
        for collection, alias in self._aliased(artifact, input):
            self.store.artifacts.collections.name(artifact["id"], collection, [alias])
        return {"success": True}

    def delete_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Take aliases from a version."""
        artifact = self._artifact(input["artifactID"])
        for collection, alias in self._aliased(artifact, input):
            self.store.artifacts.collections.unname(artifact["id"], collection, [alias])
        return {"success": True}

    def use_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Note that a run reads an artifact."""
        entity = self.entity(input)
        run = self.store.runs.find(entity, input["projectName"], input["runName"])
        artifact = self._artifact(input["artifactID"])
        self.store.artifacts.use(there(run, f"run {entity}/{input['projectName']}/{input['runName']}")["id"], artifact["id"])
        return {"artifact": artifact}

    def link_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a version a member of a portfolio."""
        client, known = input.get("clientID"), self.store.artifacts
        artifact = known.by_client(client) if client and not input.get("artifactID") else self._artifact(input.get("artifactID") or "")
        names = [alias["alias"] for alias in input.get("aliases") or ()]
        if input.get("artifactPortfolioID"):
            portfolio = there(known.collections.get(ids.read("ArtifactPortfolio", input["artifactPortfolioID"])), "portfolio")
            project, name = portfolio["project"], portfolio["name"]
        else:
            name = there(input.get("artifactPortfolioName") or None, "linkArtifact without a name of the portfolio")
            project = self.store.runs.make_project(self.entity(input), input.get("projectName") or "uncategorized")["id"]
        row = known.collections.link(there(artifact, "artifact")["id"], project, name, names)
        return {"version_index": row["member_version"], "artifact_membership": row}

    def unlink_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Take a version out of a portfolio."""
        artifact = self._artifact(input["artifactID"])
        self.store.artifacts.collections.unlink(artifact["id"], ids.read("ArtifactPortfolio", input["artifactPortfolioID"]))
        return {"artifact_id": input["artifactID"], "success": True}

    def _artifact(self, id: str) -> sqlite3.Row:
        return there(self.store.artifacts.get(ids.read("Artifact", id)), "artifact")

    def _aliased(self, artifact: sqlite3.Row, input: dict[str, Any]) -> list[tuple[int, str]]:
        """The collections in which a version has, or gets, aliases, each with one of them."""
        members = {row["member_of"] for row in self.store.artifacts.collections.memberships(artifact["id"])}
        found = []
        for alias in input["aliases"]:
            row = named(self, self.entity(alias), alias["projectName"], alias["artifactCollectionName"])
            if row["id"] not in members:
                raise RefusedError(f"aliases: {artifact['name']} is not linked to {alias['artifactCollectionName']}")
            found.append((row["id"], alias["alias"]))
        return found

    def _manifest(self, manifest: int, file: int) -> dict[str, Any]:
        row = there(self.store.files.get(file), "file")
        return {"artifact_manifest": {"id": ids.make("ArtifactManifest", manifest), "file": row}}


def _tags(given: Any) -> list[str]:
    return [tag["tagName"] for tag in given or ()]
