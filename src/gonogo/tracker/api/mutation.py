"""The roots of writing: runs, their files, artifacts."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Any

from gonogo.tracker.api import ids
from gonogo.tracker.api.context import Context, connect
from gonogo.tracker.store.artifacts import Draft
from gonogo.tracker.store.runs import RefusedError

log = logging.getLogger("gonogo.tracker")
# How the client notes in the config that several processes write one run (a field of its telemetry record).
SHARED_MODE = 67
# What clients call the columns of a run.
COLUMNS = {
    "displayName": "display_name",
    "description": "description",
    "notes": "notes",
    "groupName": "run_group",
    "jobType": "job_type",
    "host": "host",
    "jobProgram": "program",
    "commit": "commit_hash",
    "config": "config",
    "summaryMetrics": "summary",
    "tags": "tags",
}


class Mutation:
    """The root of every mutation."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def upsert_model(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a project, if it is missing."""
        entity, name = input.get("entityName") or self._context.settings.entity, input.get("name") or ""
        inserted = self._store.runs.project(entity, name) is None
        row = self._store.runs.make_project(entity, name)
        return {"project": row, "model": row, "inserted": inserted}

    def upsert_bucket(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a run or change what is said of it; what is not given stays."""
        values = {COLUMNS[key]: value for key, value in input.items() if key in COLUMNS and value is not None}
        _refuse_modes(values.get("config"))
        if input.get("id"):
            run, inserted = ids.read("Run", input["id"]), False
            self._store.runs.update(run, values)
        else:
            entity = input.get("entityName") or self._context.settings.entity
            project = self._store.runs.make_project(entity, input.get("modelName") or "uncategorized")
            run, inserted = self._store.runs.upsert(project["id"], input.get("name") or "", values)
        row = self._store.runs.get(run)
        if row is None:
            raise RefusedError("run: there is no such one any more")
        return {"bucket": row, "inserted": inserted}

    def delete_run(self, input: dict[str, Any]) -> dict[str, Any]:
        """Remove a run."""
        if input.get("deleteArtifacts"):
            raise RefusedError("deleteRun: deleteArtifacts is not supported here; artifacts stay")
        self._store.runs.delete(ids.read("Run", input["id"]))
        return {"client_mutation_id": None}

    def create_run_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """Say where some files of a run may be sent."""
        run = self._run(input)
        files = [(name, self._store.files.expect(run=run["id"], name=name, md5=None)) for name in input["files"]]
        uploads = [{"name": name, "upload_url": self._context.links.upload(file)} for name, file in files]
        return {"run_id": ids.make("Run", run["id"]), "upload_headers": [], "files": uploads}

    def mark_run_files_uploaded(self, input: dict[str, Any]) -> dict[str, bool]:
        """Take note that files were sent, which this server saw itself."""
        self._run(input)
        return {"success": True}

    def delete_files(self, input: dict[str, Any]) -> dict[str, bool]:
        """Remove files of runs."""
        self._store.files.remove([ids.read("File", file) for file in input["files"]])
        return {"success": True}

    def notify_scriptable_run_alert(self, input: dict[str, Any]) -> dict[str, bool]:
        """Write an alert of a run into the server's log."""
        run = self._run(input)
        log.warning("alert of run %s: %s: %s", run["name"], input["title"], input["text"])
        return {"success": True}

    def create_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Begin a version of an artifact."""
        project = self._store.runs.make_project(input["entityName"], input["projectName"])
        names = input.get("artifactCollectionNames") or [input.get("artifactCollectionName")]
        if len(names) != 1 or not names[0]:
            raise RefusedError("createArtifact: just one collection is supported here")
        name = input.get("runName")
        run = self._store.runs.find(input["entityName"], input["projectName"], name) if name else None
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
            reuse=bool(input.get("enableDigestDeduplication")),
        )
        return {"artifact": self._store.artifacts.create(project["id"], draft)}

    def create_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        """Begin the manifest of a version and say where it may be sent."""
        artifact = self._artifact(input["artifactID"])
        manifest = self._store.artifacts.make_manifest(artifact["id"], input.get("type") or "FULL", input["digest"])
        file = self._store.files.expect(manifest=manifest, name=input["name"], md5=None)
        return self._manifest(manifest, file)

    def update_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        """Change the digest of a manifest and say where it may be sent."""
        row = self._store.artifacts.update_manifest(ids.read("ArtifactManifest", input["artifactManifestID"]), input.get("digest"))
        if row is None:
            raise RefusedError("updateArtifactManifest: there is no such manifest")
        file = self._store.files.expect(manifest=row["id"], name="wandb_manifest.json", md5=None)
        return self._manifest(row["id"], file)

    def create_artifact_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """Say where some files of artifacts may be sent."""
        rows = []
        for asked in input["artifactFiles"]:
            artifact = self._artifact(asked["artifactID"])
            file = self._store.files.get(self._store.files.expect(artifact=artifact["id"], name=asked["name"], md5=asked["md5"]))
            rows.append(_there(file, "file"))
        return {"files": connect(rows)}

    def commit_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a version visible."""
        return {"artifact": self._store.artifacts.commit(ids.read("Artifact", input["artifactID"]))}

    def update_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Change what is said of a version."""
        if input.get("tagsToAdd") or input.get("tagsToDelete"):
            raise RefusedError("updateArtifact: tags are not supported here")
        artifact = self._artifact(input["artifactID"])
        aliases = input.get("aliases")
        values: dict[str, Any] = {key: input[key] for key in ("description", "metadata") if key in input}
        self._store.artifacts.update(artifact["id"], values, None if aliases is None else [alias["alias"] for alias in aliases])
        return {"artifact": self._artifact(input["artifactID"])}

    def delete_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Remove a version."""
        artifact = self._artifact(input["artifactID"])
        self._store.artifacts.delete(artifact["id"], input["artifactID"], bool(input.get("deleteAliases")))
        return {"artifact": self._artifact(input["artifactID"])}

    def add_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Give a version more aliases."""
        artifact, names = self._aliased(input)
        self._store.artifacts.add_aliases(artifact["id"], names)
        return {"success": True}

    def delete_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Take aliases from a version."""
        artifact, names = self._aliased(input)
        self._store.artifacts.delete_aliases(artifact["id"], names)
        return {"success": True}

    def use_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Note that a run reads an artifact."""
        run, artifact = self._run(input), self._artifact(input["artifactID"])
        self._store.artifacts.use(run["id"], artifact["id"])
        return {"artifact": artifact}

    def _run(self, input: dict[str, Any]) -> sqlite3.Row:
        found = self._store.runs.find(input["entityName"], input["projectName"], input["runName"])
        return _there(found, f"run {input['entityName']}/{input['projectName']}/{input['runName']}")

    def _artifact(self, id: str) -> sqlite3.Row:
        return _there(self._store.artifacts.get(ids.read("Artifact", id)), "artifact")

    def _aliased(self, input: dict[str, Any]) -> tuple[sqlite3.Row, list[str]]:
        artifact = self._artifact(input["artifactID"])
        for alias in input["aliases"]:
            if alias["artifactCollectionName"] != artifact["name"]:
                raise RefusedError(f"aliases: {artifact['name']} is not linked to {alias['artifactCollectionName']}")
        return artifact, [alias["alias"] for alias in input["aliases"]]

    def _manifest(self, manifest: int, file: int) -> dict[str, Any]:
        row = _there(self._store.files.get(file), "file")
        return {"artifact_manifest": {"id": ids.make("ArtifactManifest", manifest), "file": row}}


def _refuse_modes(config: str | None) -> None:
    """Say no to modes in which the client leaves to the server what this one doesn't do: rows would be missing, and nobody would know."""
    try:
        noted = json.loads(config or "{}")["_wandb"]["value"]
        forked, shared = "branch_point" in noted, SHARED_MODE in noted["t"]["3"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return  # not from a run that begins
    if forked:
        raise RefusedError("run: fork_from is not supported here; begin a run of its own")
    if shared:
        raise RefusedError("run: mode='shared' is not supported here; let every process log a run of its own, in one group")


def _there(row: sqlite3.Row | None, what: str) -> sqlite3.Row:
    if row is None:
        raise RefusedError(f"{what}: there is no such one")
    return row
