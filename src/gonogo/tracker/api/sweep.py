"""Sweeps and their agents: what clients ask about them, and what they tell."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from gonogo.tracker import filters
from gonogo.tracker.api.context import Base, Context, connect, there
from gonogo.tracker.fields import RUNS, SWEEPS, Document, timestamp
from gonogo.tracker.store import ids
from gonogo.tracker.store.runs import LIGHT, RefusedError
from gonogo.tracker.sweeps import controller
from gonogo.tracker.sweeps.controller import Controller

# An agent that was not heard of for so many seconds is taken for gone.
SILENCE = 120.0


class SweepNode:
    """A sweep."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = row
        self.id = ids.make("Sweep", row["id"])
        self.name, self.display_name, self.description = row["name"], row["display_name"], row["description"]
        self.config, self.controller, self.scheduler = row["config"], row["controller"], row["scheduler"]
        self.created_at, self.updated_at = timestamp(row["created_at"]), timestamp(row["updated_at"])
        self.heartbeat_at = self.updated_at
        self.early_stop_job_running = False
        self.controller_run_name = None
        self.state = row["state"]

    def method(self) -> str | None:
        """How it chooses values."""
        return controller.parsed(self.config).get("method")

    def project(self) -> sqlite3.Row:
        """The project that it is in."""
        return self._context.store.runs.project_of(self._row["project"])

    def best_loss(self) -> float | None:
        """The best value of its metric so far."""
        return Controller(self._context.store).best(self._row)

    def run_count(self) -> int:
        """How many runs it has."""
        return len(self._context.store.sweeps.runs(self._row["id"], "id"))

    def run_count_expected(self) -> int | None:
        """How many runs it will have, if that is known."""
        return Controller(self._context.store).expected(self._row)

    def runs(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """Its runs."""
        return connect(self._context.store.sweeps.runs(self._row["id"], LIGHT), first, after)

    def prior_runs(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """The runs that were there before it."""
        store = self._context.store.sweeps
        chosen = {trial["run_name"] for trial in store.trials(self._row["id"])}
        return connect([row for row in store.runs(self._row["id"], LIGHT) if row["name"] not in chosen], first, after)

    def agent(self, agent_name: str) -> sqlite3.Row | None:
        """One of its agents by name or id, or nothing."""
        agents = self._context.store.sweeps.agents(self._row["id"])
        return next((row for row in agents if agent_name in (row["name"], ids.make("Agent", row["id"]))), None)

    def agents(self, after: str | None = None, first: int | None = None) -> dict[str, Any]:
        """Its agents."""
        return connect(self._context.store.sweeps.agents(self._row["id"]), first, after)


class AgentNode:
    """An agent of a sweep."""

    def __init__(self, context: Context, row: sqlite3.Row) -> None:
        self._context = context
        self._row = row
        self.id = ids.make("Agent", row["id"])
        self.name, self.host, self.state = row["name"], row["host"], row["state"]
        self.created_at, self.heartbeat_at = timestamp(row["created_at"]), timestamp(row["heartbeat_at"])

    def total_runs(self) -> int:
        """How many runs it was given."""
        return sum(trial["agent"] == self._row["id"] for trial in self._context.store.sweeps.trials(self._row["sweep"]))

    def runs(
        self,
        after: str | None = None,
        before: str | None = None,
        first: int | None = None,
        last: int | None = None,
        order: str | None = None,
    ) -> dict[str, Any]:
        """The runs that it was given and that have begun."""
        if before or last:
            raise RefusedError("agent.runs: pages backward are not supported here; use first and after")
        store = self._context.store.sweeps
        own = {trial["run_name"] for trial in store.trials(self._row["sweep"]) if trial["agent"] == self._row["id"]}
        rows = [row for row in store.runs(self._row["sweep"], f"{LIGHT}, config, summary") if row["name"] in own]
        documents = [Document(row, state=self._context.store.runs.state(row)) for row in rows]
        return connect([document.row for document in filters.select(documents, None, order, RUNS)], first, after)


def sweeps(context: Context, project: int, after: str | None, first: int | None, text: str | None) -> dict[str, Any]:
    """A page of the sweeps of a project that fit a filter, newest first."""
    rows = context.store.sweeps.of_project(project)
    documents = [Document(row, SWEEPS, method=controller.parsed(row["config"]).get("method")) for row in rows]
    return connect([document.row for document in filters.select(documents, text, None, SWEEPS)], first, after)


class SweepMutations(Base):
    """What clients tell of sweeps."""

    def upsert_sweep(self, input: dict[str, Any]) -> dict[str, Any]:
        """Begin a sweep, or change one."""
        if any(input.get(key) not in (None, "", "null", "{}") for key in ("launchScheduler", "templateVariableValues")):
            raise RefusedError("upsertSweep: launch is not supported here; start agents with `wandb agent`")
        values = {column: input[key] for key, column in SETTABLE.items() if input.get(key) is not None}
        warnings = controller.check(values["config"]) if "config" in values else []
        if "state" in values:
            values["state"] = there(controller.STATES.get(values["state"].upper()), f"sweep state {values['state']!r}")
        if input.get("id"):
            row = there(self.store.sweeps.update(self._sweep(input)["id"], values), "sweep")
        else:
            if "config" not in values:
                raise RefusedError("upsertSweep: a new sweep needs a configuration")
            project = self.store.runs.make_project(self.entity(input), input.get("projectName") or "uncategorized")
            row = self.store.sweeps.create(project["id"], {"state": controller.PENDING, **values})
        self._adopt(row, input.get("priorRunsFilters"))
        return {"sweep": row, "config_validation_warnings": warnings}

    def create_agent(self, input: dict[str, Any]) -> dict[str, Any]:
        """Register an agent that is to work on a sweep."""
        project = self.store.runs.project(self.entity(input), input.get("projectName") or "uncategorized")
        sweep = self.store.sweeps.find(project["id"], input["sweep"]) if project else None
        return {"agent": self.store.sweeps.add_agent(there(sweep, f"sweep {input['sweep']}")["id"], input["host"])}

    def agent_heartbeat(self, input: dict[str, Any]) -> dict[str, Any]:
        """Tell an agent what to do."""
        agent = self.store.sweeps.agent(ids.read("Agent", input["id"]))
        if agent is None:
            raise RefusedError("agent: the sweep was deleted", gone=True)
        states = json.loads(input.get("runState") or "{}")
        if not isinstance(states, dict):
            raise RefusedError("agentHeartbeat: runState must be a JSON object")
        running = {run: state for run, state in states.items() if state}
        commands = self.context.controller.command(agent, running)
        return {"agent": agent, "commands": json.dumps(commands)}

    def enqueue_sweep_run(self, input: dict[str, Any]) -> dict[str, Any]:
        """Let the next agent that asks start a run with certain values."""
        try:
            config = json.loads(input["config"])
            arguments = {key: item["value"] if isinstance(item, dict) and "value" in item else item for key, item in config.items()}
        except (ValueError, AttributeError) as error:
            raise RefusedError("enqueueSweepRun: config must be a JSON object") from error
        trial = self.store.sweeps.add_trial(self._sweep(input)["id"], None, arguments, input.get("displayName"))
        return {"id": trial["run_name"], "run_queue_item_id": ids.make("RunQueueItem", trial["id"])}

    def _sweep(self, input: dict[str, Any]) -> sqlite3.Row:
        text = input["id"]
        try:
            found = self.store.sweeps.get(ids.read("Sweep", text))
        except RefusedError:  # some clients send its name
            project = self.store.runs.project(self.entity(input), input.get("projectName") or "uncategorized")
            found = self.store.sweeps.find(project["id"], text) if project else None
        return there(found, f"sweep {text}")

    def _adopt(self, sweep: sqlite3.Row, text: str | None) -> None:
        """Make the runs part of a sweep that fit a filter."""
        if not text:
            return
        rows = self.store.runs.scan(sweep["project"], "id", f"{LIGHT}, config, summary").fetchall()
        documents = [Document(row, state=self.store.runs.state(row)) for row in rows]
        self.store.sweeps.adopt(sweep["id"], [document.row["id"] for document in filters.select(documents, text, None, RUNS)])


SETTABLE = {
    "config": "config",
    "description": "description",
    "controller": "controller",
    "scheduler": "scheduler",
    "state": "state",
    "displayName": "display_name",
    "priorRunsFilters": "prior",
}
