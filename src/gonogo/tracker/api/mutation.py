"""The roots of writing: projects, runs and their files; artifacts, collections and sweeps are beside."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Any

from gonogo.tracker.api.artifact import ArtifactMutations
from gonogo.tracker.api.collection import CollectionMutations
from gonogo.tracker.api.context import Base, there
from gonogo.tracker.api.sweep import SweepMutations
from gonogo.tracker.store import ids
from gonogo.tracker.store.runs import RefusedError

log = logging.getLogger("gonogo.tracker")
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
    "createdAt": "created_at",
    "heartbeatAt": "heartbeat_at",
}
UNNAMED = "uncategorized"
# Which states a client may set, and from which others.
TRANSITIONS = {"pending": ("running", "failed", "crashed", "preempted"), "failed": ("pending", "running")}


class ProjectMutations(Base):
    """What clients make and change of projects, registries among them."""

    def upsert_model(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a project, if it is missing, and change what is said of it."""
        entity, name = self.entity(input), input.get("name") or ""
        inserted = self.store.runs.project(entity, name) is None
        row = self.store.runs.make_project(entity, name)
        settings = json.loads(row["settings"])
        given = {"access": input.get("access"), "allow_all": input.get("allowAllArtifactTypesInRegistry")}
        types = [kind["name"] for kind in input.get("artifactTypes") or ()]
        wanted = settings | {key: value for key, value in given.items() if value is not None}
        wanted |= {"types": sorted({*settings.get("types", ()), *types})} if types else {}
        changes = {"settings": json.dumps(wanted)} if wanted != settings else {}
        changes |= {"description": input["description"]} if input.get("description") is not None else {}
        row = self.store.runs.describe_project(row["id"], changes) if changes else row
        return {"project": row, "model": row, "inserted": inserted}

    def rename_project(self, input: dict[str, Any]) -> dict[str, Any]:
        """Give a project another name."""
        old = self.store.runs.project(self.entity(input), input["oldProjectName"])
        row = self.store.runs.describe_project(there(old, f"project {input['oldProjectName']}")["id"], {"name": input["newProjectName"]})
        return {"project": row, "inserted": False}

    def delete_model(self, input: dict[str, Any]) -> dict[str, bool]:
        """Remove a project with all that it holds."""
        self.store.deletion.project(ids.read("Project", input["id"]))
        return {"success": True}


class RunMutations(Base):
    """What clients make and change of runs."""

    def upsert_bucket(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a run or change what is said of it; what is not given stays."""
        values = {COLUMNS[key]: value for key, value in input.items() if key in COLUMNS and value is not None}
        if input.get("id"):
            run, inserted = ids.read("Run", input["id"]), False
            found = there(self.store.runs.get(run), "run")
            self.store.runs.update(run, self._shared(found, values))
        else:
            project = self.store.runs.make_project(self.entity(input), input.get("modelName") or UNNAMED)
            name = input.get("name") or ""
            forked = self._branch(project["id"], name, values.get("config"))
            if input.get("sweep"):
                values["sweep"] = there(self.store.sweeps.find(project["id"], input["sweep"]), f"sweep {input['sweep']}")["id"]
            known = self.store.runs.find(project["entity"], project["name"], name)
            values["stop"] = 0  # it was another process that was asked to stop
            run, inserted = self.store.runs.upsert(project["id"], name, self._shared(known, values))
            if inserted and forked is not None:
                self.store.history.fork(forked[0], run, forked[1])
        return {"bucket": there(self.store.runs.get(run), "run"), "inserted": inserted, "server_settings": {"server_messages": []}}

    def rewind_run(self, input: dict[str, Any]) -> dict[str, Any]:
        """Let a run go on from an earlier step."""
        if input["metricName"] != "_step":
            raise RefusedError(f"rewindRun: a run can be rewound to a _step, not to {input['metricName']!r}")
        run = self._run({**input, "projectName": input.get("projectName") or UNNAMED})
        self.store.history.rewind(run["id"], int(input["metricValue"]))
        return {"rewound_run": self.store.runs.get(run["id"])}

    def delete_run(self, input: dict[str, Any]) -> dict[str, Any]:
        """Remove a run, with the artifacts that it made if they are to go too."""
        self.store.deletion.run(ids.read("Run", input["id"]), bool(input.get("deleteArtifacts")))
        return {"client_mutation_id": None}

    def stop_run(self, input: dict[str, Any]) -> dict[str, Any]:
        """Ask a run to stop: its process is told when it next says something."""
        self.store.runs.update(there(self.store.runs.get(ids.read("Run", input["id"])), "run")["id"], {"stop": 1})
        return {"client_mutation_id": None, "success": True}

    def update_run_state(self, input: dict[str, Any]) -> dict[str, bool]:
        """Set the state of a run that no process sets any more."""
        run = there(self.store.runs.get(ids.read("Run", input["id"])), "run")
        was, wanted = self.store.runs.state(run), input["state"].lower()
        if was not in TRANSITIONS.get(wanted, ()):
            known = "; ".join(f"to {state} from {', '.join(states)}" for state, states in TRANSITIONS.items())
            raise RefusedError(f"updateRunState: not to {wanted} from {was}, but {known}")
        if run["sweep"] is not None:
            raise RefusedError("updateRunState: the state of a run of a sweep is the sweep's to set")
        self.store.runs.update(run["id"], {"state": wanted})
        return {"success": True}

    def create_run_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """Say where some files of a run may be sent."""
        run = self._run(input)
        files = [(name, self.store.files.expect(run=run["id"], name=name, md5=None)) for name in input["files"]]
        uploads = [{"name": name, "upload_url": self.context.links.upload(file)} for name, file in files]
        return {"run_id": ids.make("Run", run["id"]), "upload_headers": [], "files": uploads}

    def mark_run_files_uploaded(self, input: dict[str, Any]) -> dict[str, bool]:
        """Take note that files were sent, which this server saw itself."""
        self._run(input)
        return {"success": True}

    def delete_files(self, input: dict[str, Any]) -> dict[str, bool]:
        """Remove files of runs."""
        self.store.files.remove([ids.read("File", file) for file in input["files"]])
        return {"success": True}

    def notify_scriptable_run_alert(self, input: dict[str, Any]) -> dict[str, bool]:
        """Write an alert of a run into the server's log."""
        run = self._run(input)
        log.warning("alert of run %s: %s: %s", run["name"], input["title"], input["text"])
        return {"success": True}

    def _run(self, input: dict[str, Any]) -> sqlite3.Row:
        entity = self.entity(input)
        found = self.store.runs.find(entity, input["projectName"], input["runName"])
        return there(found, f"run {entity}/{input['projectName']}/{input['runName']}")

    def _shared(self, run: sqlite3.Row | None, values: dict[str, Any]) -> dict[str, Any]:
        """Return the changes to a run that several processes share.

        Each of them knows only its own part of the config.
        """
        if self.context.shared_by is None or run is None:
            return values
        row = self.store.runs.get(run["id"], "config, state")
        if row is not None and "config" in values:
            values["config"] = json.dumps(_merged(json.loads(row["config"]), json.loads(values["config"])))
        if row is not None and row["state"] in ("finished", "failed", "crashed"):
            values["state"] = "running"
        return values

    def _branch(self, project: int, name: str, config: str | None) -> tuple[int, int] | None:
        """Return the run, and its last step, whose beginning a new run takes over.

        A client that was told `fork_from` records this.
        """
        try:
            point = json.loads(config or "{}")["_wandb"]["value"]["branch_point"]
            source, step = str(point["run_id"]), int(point["step"])
        except (ValueError, RecursionError, LookupError, TypeError):
            return None
        if source == name:  # it was rewound
            return None
        of = self.store.runs.project_of(project)
        run = self.store.runs.find(of["entity"], of["name"], source)
        return there(run, f"run {source}, of which {name} is to be a fork")["id"], step


class Mutation(ProjectMutations, RunMutations, ArtifactMutations, CollectionMutations, SweepMutations):
    """The root of every mutation."""


def _merged(one: Any, other: Any) -> Any:
    """Two objects as one, with the entries of both at every level."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: _merged(one[key], value) if key in one else value for key, value in other.items()}}
