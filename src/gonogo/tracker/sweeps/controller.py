"""What the agents of a sweep are told to do."""

from __future__ import annotations

import json
import math
import random
import sqlite3
import threading
from collections.abc import Mapping
from typing import Any

import yaml

from gonogo.tracker.store import Store
from gonogo.tracker.store.history import MISSING, lookup
from gonogo.tracker.store.runs import LIGHT, RefusedError
from gonogo.tracker.sweeps import search, space, stopping

PENDING, RUNNING, PAUSED, FINISHED, CANCELED = "PENDING", "RUNNING", "PAUSED", "FINISHED", "CANCELED"
# What clients call states, and which of them an agent works in.
STATES = {"PENDING": PENDING, "RUNNING": RUNNING, "PAUSED": PAUSED, "FINISHED": FINISHED, "STOPPED": FINISHED, "CANCELED": CANCELED}
OVER = ("finished", "failed", "crashed", "killed", "preempted")
Command = dict[str, Any]


class Controller:
    """Decides for all sweeps of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Two agents that ask at once must not be given the same run of a grid.
        self._lock = threading.Lock()

    def command(self, agent: sqlite3.Row, running: Mapping[str, Any]) -> list[Command]:
        """What an agent is to do now.

        Args:
            agent: The agent.
            running: Ids of the runs that it works on.

        Raises:
            RefusedError: The next run can't be chosen.
        """
        store = self._store.sweeps
        with self._lock:
            sweep = store.get(agent["sweep"])
            if sweep is None:
                return [{"type": "exit"}]
            config = parsed(sweep["config"])
            stops = [{"type": "stop", "run_id": run} for run in self._stopped(sweep, config, [*running])]
            if stops or running:
                store.hear(agent["id"])
                return stops
            commands = self._start(sweep, config, agent)
            store.hear(agent["id"], FINISHED if commands and commands[0]["type"] == "exit" else RUNNING)
            return commands

    def expected(self, sweep: sqlite3.Row) -> int | None:
        """How many runs a sweep has in the end, if that is known."""
        config = parsed(sweep["config"])
        cap = config.get("run_cap")
        size = space.read(config).size() if config.get("method") == "grid" else None
        known = [count for count in (cap, size) if isinstance(count, int)]
        return min(known) if known else None

    def best(self, sweep: sqlite3.Row) -> float | None:
        """The best value of the sweep's metric so far, as it was logged."""
        config = parsed(sweep["config"])
        scores = [score for row in self._rows(sweep) if (score := self._score(config, json.loads(row["summary"]))) is not None]
        return None if not scores else min(scores) * _sign(config)

    def _start(self, sweep: sqlite3.Row, config: Mapping[str, Any], agent: sqlite3.Row) -> list[Command]:
        store = self._store.sweeps
        if sweep["state"] in (FINISHED, CANCELED):
            return [{"type": "exit"}]
        if sweep["state"] == PAUSED:
            return []
        store.update(sweep["id"], {"state": RUNNING}) if sweep["state"] == PENDING else None
        again = self._preempted(sweep)
        if again is not None:
            store.give_trial(again["id"], agent["id"])
            return [_command("resume", again, config)]
        queued = store.take_trial(sweep["id"], agent["id"])
        if queued is not None:
            return [_command("run", queued, config)]
        if config.get("method") == "custom" or _is_local(config):
            return self._scheduled(sweep, config, agent)
        tried = self._tried(sweep, config)
        values = None if self._is_enough(config, tried) else search.following(config["method"], space.read(config), tried, random.Random())
        if values is None:
            store.update(sweep["id"], {"state": FINISHED})
            return [{"type": "exit"}]
        return [_command("run", store.add_trial(sweep["id"], agent["id"], values), config)]

    def _scheduled(self, sweep: sqlite3.Row, config: Mapping[str, Any], agent: sqlite3.Row) -> list[Command]:
        """Return what a controller on the client's side (`wandb.controller`) scheduled last.

        It is recorded that it was taken.
        """
        schedule = parsed(sweep["controller"] or "{}").get("schedule") or []
        taken = parsed(sweep["scheduler"] or "{}").get("scheduled") or []
        known = {each.get("id") for each in taken}
        for item in schedule:
            if isinstance(item, dict) and item.get("id") not in known:
                arguments = {key: value.get("value") for key, value in (item.get("data") or {}).get("args", {}).items()}
                trial = self._store.sweeps.add_trial(sweep["id"], agent["id"], arguments)
                taken = [*taken, {"id": item.get("id"), "runid": trial["run_name"]}]
                self._store.sweeps.update(sweep["id"], {"scheduler": json.dumps({"scheduled": taken})})
                return [_command("run", trial, config)]
        return []

    def _is_enough(self, config: Mapping[str, Any], tried: list[search.Tried]) -> bool:
        cap, target = config.get("run_cap"), (config.get("metric") or {}).get("target")
        if isinstance(cap, int) and sum(run.chosen for run in tried) >= cap:
            return True
        return isinstance(target, int | float) and any(run.score is not None and run.score <= target * _sign(config) for run in tried)

    def _preempted(self, sweep: sqlite3.Row) -> sqlite3.Row | None:
        trials = {trial["run_name"]: trial for trial in self._store.sweeps.trials(sweep["id"])}
        for row in self._store.sweeps.runs(sweep["id"], LIGHT):
            if self._store.runs.state(row) == "preempted" and row["name"] in trials:
                self._store.runs.update(row["id"], {"state": "pending"})
                return trials[row["name"]]
        return None

    def _rows(self, sweep: sqlite3.Row) -> list[sqlite3.Row]:
        return self._store.sweeps.runs(sweep["id"], f"{LIGHT}, config, summary")

    def _tried(self, sweep: sqlite3.Row, config: Mapping[str, Any]) -> list[search.Tried]:
        begun = {row["name"]: row for row in self._rows(sweep)}
        trials = self._store.sweeps.trials(sweep["id"])
        found = []
        for trial in trials:
            row = begun.pop(trial["run_name"], None)
            score = None if row is None else self._score(config, json.loads(row["summary"]))
            over = row is not None and self._store.runs.state(row) in OVER
            found.append(search.Tried(json.loads(trial["arguments"]), score, over))
        for row in begun.values():
            values = {key: entry.get("value") for key, entry in json.loads(row["config"]).items() if isinstance(entry, dict)}
            score = self._score(config, json.loads(row["summary"]))
            found.append(search.Tried(values, score, self._store.runs.state(row) in OVER, chosen=False))
        return found

    def _score(self, config: Mapping[str, Any], summary: Mapping[str, Any]) -> float | None:
        """What a run reached, less being better."""
        name = (config.get("metric") or {}).get("name")
        value = lookup(dict(summary), str(name)) if name else MISSING
        if isinstance(value, dict):  # of a metric that was defined with a summary of its own
            wanted = "min" if _sign(config) > 0 else "max"
            value = next((value[key] for key in (wanted, "best", "last") if key in value), MISSING)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return None
        return float(value) * _sign(config)

    def _stopped(self, sweep: sqlite3.Row, config: Mapping[str, Any], running: list[str]) -> list[str]:
        """Those of an agent's runs that are to be stopped now."""
        if not running or sweep["state"] == CANCELED:
            return running
        rows = {row["name"]: row for row in self._store.sweeps.runs(sweep["id"], LIGHT)}
        asked = [run for run in running if run in rows and rows[run]["stop"]]
        settings, name = config.get("early_terminate"), (config.get("metric") or {}).get("name")
        if asked or not isinstance(settings, dict) or not name:
            return asked
        scores = {run: self._values(row["id"], name, _sign(config)) for run, row in rows.items()}
        return stopping.stopped(settings, scores, [run for run in running if run in scores])

    def _values(self, run: int, name: str, sign: int) -> list[float]:
        history = self._store.history
        found = (lookup(row, name) for _, row in history.rows_at(run, history.places_with(run, [name])))
        return [float(value) * sign for value in found if isinstance(value, int | float) and math.isfinite(value)]


def check(text: str) -> list[str]:
    """Make sure that a sweep's configuration can be worked with; what is odd about it, in sentences.

    Raises:
        RefusedError: It can't; the sentence says why.
    """
    config = parsed(text)
    method = config.get("method")
    if method not in space.METHODS:
        raise RefusedError(f"sweep: method must be one of {', '.join(space.METHODS)}, not {method!r}")
    if method == "custom" or _is_local(config):
        return []
    space.read(config)
    settings = config.get("early_terminate")
    if isinstance(settings, dict):
        stopping.bands(settings)
    metric = config.get("metric") or {}
    if not isinstance(metric, dict):
        raise RefusedError("sweep: metric must be an object with a name and a goal")
    named = bool(metric.get("name"))
    if method == "bayes" and not named:
        raise RefusedError("sweep: method bayes needs a metric with a name, and its goal: minimize or maximize")
    if named and metric.get("goal", "minimize") not in ("minimize", "maximize"):
        raise RefusedError(f"sweep: the goal of the metric must be minimize or maximize, not {metric.get('goal')!r}")
    return ["early_terminate is not used without a metric with a name"] if settings and not named else []


def parsed(text: str) -> dict[str, Any]:
    """A configuration, which clients send as JSON or YAML.

    Raises:
        RefusedError: It is neither, or no object.
    """
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise RefusedError(f"sweep: the configuration is not YAML: {error}") from error
    if not isinstance(found, dict):
        raise RefusedError("sweep: the configuration must be an object")
    return found


def _is_local(config: Mapping[str, Any]) -> bool:
    return isinstance(config.get("controller"), dict) and config["controller"].get("type") == "local"


def _sign(config: Mapping[str, Any]) -> int:
    return -1 if (config.get("metric") or {}).get("goal", "minimize") == "maximize" else 1


def _command(kind: str, trial: sqlite3.Row, config: Mapping[str, Any]) -> Command:
    arguments = {name: {"value": value} for name, value in json.loads(trial["arguments"]).items()}
    return {
        "id": str(trial["id"]),
        "type": kind,
        "run_id": trial["run_name"],
        "args": arguments,
        "program": config.get("program"),
        "logs": [],
    }
