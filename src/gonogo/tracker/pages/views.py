"""The pages: what each of them is given."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gonogo.tracker.environment import started_with
from gonogo.tracker.pages import contents, listing, logged
from gonogo.tracker.pages.render import address, number, page
from gonogo.tracker.service import Service
from gonogo.tracker.store.runs import LIGHT, RefusedError

TABS = {
    "charts": "Charts",
    "config": "Config",
    "summary": "Summary",
    "console": "Console",
    "tables": "Tables and images",
    "files": "Files",
    "artifacts": "Artifacts",
}
DEFAULT_PICKS = 10
LIMIT_OF_COMPARED = 40
LIMIT_OF_DIFFERENCES = 1000
LINES_AT_FIRST = 500
FILES_PER_PAGE = 500
ENTRIES_SHOWN = 200
GROUPED = 40
AXES = 8
# Columns of every run that can be plotted, too.
PLOTTED = [column for column in listing.FIXED if column.key in ("created", "duration", "step", "state", "group")]


class Views:
    """The pages of a tracker."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store
        self._tables = listing.Tables(service.store, service.settings.entity)

    def projects(self, request: Request) -> Response:
        """All projects, the ones that were last heard of first."""
        rows = sorted(self._store.runs.projects(), key=lambda row: -(row["active_at"] or row["created_at"]))
        return page("projects.html", projects=rows, base=str(request.base_url).rstrip("/"))

    def runs(self, request: Request) -> Response:
        """The table of a project's runs, with the curves of those that are picked."""
        entity, project = self._project(request)
        asked = request.query_params
        text, sort, columns = asked.get("q", ""), asked.get("sort", "-created"), asked.getlist("col")
        at = _page(request)
        problem = None
        try:
            table = self._tables.listing(project["id"], text, sort, at, columns)
        except RefusedError as error:
            problem = str(error)
            table = self._tables.listing(project["id"], "", sort, at, columns)
        picked = [record.name for record in table.records[:DEFAULT_PICKS]]
        return page(
            "runs.html",
            400 if problem else 200,
            entity=entity,
            project=project["name"],
            table=table,
            fixed=listing.FIXED,
            text=text,
            sort=sort,
            problem=problem,
            picked=picked,
            pairs=asked.multi_items(),
            shown={column.key for column in table.columns},
            live=any(record.state == "running" for record in table.records),
            base=str(request.base_url).rstrip("/"),
            verdicts=len(self._store.verdicts.of_project(project["id"])),
            groups={record.name: _groups(record, table.choices) for record in table.records},
            script=_script(entity, project["name"], []),
        )

    def sweep(self, request: Request) -> Response:
        """Lead to the runs of a sweep."""
        entity, project = self._project(request)
        filter_of = urlencode({"q": f'sweep:"{request.path_params["sweep"]}"'})
        return RedirectResponse(f"{address(entity, project['name'])}?{filter_of}", 303)

    def plots(self, request: Request) -> Response:
        """Runs as points and as lines across their values."""
        entity, project = self._project(request)
        asked = request.query_params
        text, problem = asked.get("q", ""), None
        try:
            columns, default = self._tables.columns(project["id"], text)
        except RefusedError as error:
            problem, columns, default = str(error), [], []
        return page(
            "plots.html",
            400 if problem else 200,
            entity=entity,
            project=project["name"],
            text=text,
            problem=problem,
            columns=[*columns, *PLOTTED],
            axes={column.key for column in default[:AXES]},
            script=_script(entity, project["name"], []) | {"query": text},
        )

    def verdicts(self, request: Request) -> Response:
        """The verdicts on a project's code."""
        entity, project = self._project(request)
        known = self._store.verdicts
        rows = [{"row": row, "runs": known.runs(row["id"])} for row in known.of_project(project["id"])]
        return page("verdicts.html", entity=entity, project=project["name"], verdicts=rows)

    def verdict(self, request: Request) -> Response:
        """One verdict, with links to the runs that it is about."""
        entity, project = self._project(request)
        row = self._store.verdicts.get(project["id"], request.path_params["verdict"])
        if row is None:
            raise HTTPException(404, f"There is no such verdict in {entity}/{project['name']}.")
        content = listing.parsed(row["text"])
        names = self._store.verdicts.runs(row["id"])
        runs = [(name, self._store.runs.find(entity, project["name"], name)) for name in names]
        return page(
            "verdict.html",
            entity=entity,
            project=project["name"],
            row=row,
            verdict=content,
            findings=contents.findings(content),
            runs=[(name, run, self._store.runs.state(run) if run else None) for name, run in runs],
        )

    def run(self, request: Request) -> Response:
        """One run: a tab of it."""
        entity, project = self._project(request)
        name = request.path_params["run"]
        run = self._store.runs.find(entity, project["name"], name, f"{LIGHT}, config")
        if run is None:
            raise HTTPException(404, f"There is no run “{name}” in {entity}/{project['name']}.")
        tab = request.query_params.get("tab", "charts")
        if tab not in TABS:
            raise HTTPException(404, f"Runs have no tab “{tab}”.")
        config = listing.parsed(run["config"])
        own, started = self._runtime(run["id"]), started_with(config)
        values = {
            "entity": entity,
            "project": project["name"],
            "run": run,
            "label": run["display_name"] or name,
            "state": self._store.runs.state(run),
            "tags": [str(tag) for tag in json.loads(run["tags"])],
            "lasted": listing.lasted(run, {"_runtime": own}),
            "last": self._store.history.last(run["id"]),
            "command": contents.command(run["program"], started),
            "machine": contents.machine(started),
            "tab": tab,
            "tabs": TABS,
            "here": address(entity, project["name"], "runs", name),
            "source": urlencode({"entity": entity, "project": project["name"], "run": name}),
            "verdicts": self._store.verdicts.of_run(project["id"], name),
            "processes": self._store.history.processes(run["id"]),
            "sweep": self._store.sweeps.get(run["sweep"]) if run["sweep"] is not None else None,
            "script": _script(entity, project["name"], [_shown(run)]),
        }
        return page(f"run_{tab}.html", **values, **self._tab(tab, run, config, request))

    def compare(self, request: Request) -> Response:
        """Some runs side by side."""
        entity, project = self._project(request)
        names = [*dict.fromkeys(request.query_params.getlist("runs"))]
        if len(names) > LIMIT_OF_COMPARED:
            raise HTTPException(400, f"At most {LIMIT_OF_COMPARED} runs can be compared at once.")
        runs = [self._store.runs.find(entity, project["name"], name, f"{LIGHT}, config") for name in names]
        missing = [name for name, run in zip(names, runs, strict=True) if run is None]
        if missing:
            raise HTTPException(404, f"There is no run “{missing[0]}” in {entity}/{project['name']}.")
        found = [run for run in runs if run is not None]
        everything = request.query_params.get("all") == "1"
        configs = [listing.config_leaves(listing.parsed(run["config"])) for run in found]
        summaries = [listing.summary_leaves(self._summary(run["id"])) for run in found]
        return page(
            "compare.html",
            entity=entity,
            project=project["name"],
            runs=found,
            states={run["id"]: self._store.runs.state(run) for run in found},
            everything=everything,
            pairs=request.query_params.multi_items(),
            config=[row for row in _side_by_side(configs) if everything or row[2]][:LIMIT_OF_DIFFERENCES],
            summary=[row for row in _side_by_side(summaries) if not row[0].startswith("_")][:LIMIT_OF_DIFFERENCES],
            live="running" in [self._store.runs.state(run) for run in found],
            script=_script(entity, project["name"], [_shown(run, leaves) for run, leaves in zip(found, configs, strict=True)]),
        )

    def _project(self, request: Request) -> tuple[str, sqlite3.Row]:
        entity, name = request.path_params["entity"], request.path_params["project"]
        project = self._store.runs.project(entity, name)
        if project is None:
            raise HTTPException(404, f"There is no project {entity}/{name}. One is made when a run first logs to it.")
        return entity, project

    def _summary(self, run: int) -> dict[str, Any]:
        row = self._store.runs.get(run, "summary")
        return listing.parsed(row["summary"]) if row else {}

    def _runtime(self, run: int) -> Any:
        last = self._store.history.last(run)
        return listing.parsed(last[1]).get("_runtime") if last else None

    def _tab(self, tab: str, run: sqlite3.Row, config: dict[str, Any], request: Request) -> dict[str, Any]:
        own = run["id"]
        match tab:
            case "charts":
                return {"histograms": logged.keys(self._store, own)["histogram"]}
            case "config":
                return dict(zip(("lines", "cut"), contents.config_lines(config), strict=True))
            case "summary":
                return dict(zip(("lines", "cut"), contents.summary_lines(self._summary(own)), strict=True))
            case "console":
                return {"lines": contents.console(self._store, own, None, None, LINES_AT_FIRST)}
            case "tables":
                return self._logged(own, request)
            case "files":
                files = self._store.files.of_run(own)
                return {"files": files[:FILES_PER_PAGE], "count": len(files)}
            case "artifacts":
                store = self._store.artifacts
                return {
                    "kinds": [
                        ("Made by this run", self._artifacts(store.logged_by(own))),
                        ("Read by it", self._artifacts(store.used_by(own))),
                    ]
                }
        return {}

    def _logged(self, run: int, request: Request) -> dict[str, Any]:
        """Tables and pictures: a table is chosen by its key and step, or, if no row names it, by its file."""
        asked = request.query_params
        keys, files = logged.keys(self._store, run), contents.tables(self._store, run)
        steps = {key: logged.values(self._store, run, key) for key in keys["table"]}
        named = {str(each.value.get("path")) for values in steps.values() for each in values}
        others = [file for file in files if file["name"] not in named]
        key, name = asked.get("key"), asked.get("table")
        if key is None and name is None and steps:
            key = next(iter(steps))
        chosen = None
        if key is not None:
            values = steps.get(key) or []
            chosen = next((each for each in values if str(each.step) == asked.get("step")), values[-1] if values else None)
            name = str(chosen.value.get("path")) if chosen else ""
        elif name is None and files:
            name = files[0]["name"]
        file = next((file for file in files if file["name"] == name), None)
        if file is None and (key is not None or asked.get("table") is not None):
            raise HTTPException(404, f"The run has no table “{key if key is not None else name}”.")
        order, text = asked.get("order", ""), asked.get("find", "")
        shown = contents.table(self._store, file, _page(request), order, text) if file else None
        more = [contents.table(self._store, other, 1) for other in contents.confusions(self._store, files) if other is not file]
        return {
            "steps": {name: [each.step for each in values] for name, values in steps.items()},
            "key": key,
            "step": chosen.step if chosen else None,
            "others": others,
            "shown": shown,
            "order": order,
            "find": text,
            "pairs": asked.multi_items(),
            "matrices": [table for table in ([shown] if shown else []) + more if table.matrix],
            "pictures": self._pictures(run, keys["image"]),
        }

    def _pictures(self, run: int, keys: Sequence[str]) -> list[tuple[str, int | None, list[tuple[str, str, bool]], int]]:
        """Return the newest pictures of every key, with their step and how many steps have some.

        Those that only the summary names are included, too.
        """
        found: list[tuple[str, int | None, list[tuple[str, str, bool]], int]] = []
        for key in keys:
            values = logged.values(self._store, run, key)
            if values:
                found.append((key, values[-1].step, logged.pictures(self._store, run, values[-1].value), len(values)))
        for key, value in sorted(self._summary(run).items()):
            if key not in keys and isinstance(value, dict) and value.get("_type") in logged.PICTURES:
                found.append((key, None, logged.pictures(self._store, run, value), 1))
        return found

    def _artifacts(self, rows: Sequence[sqlite3.Row]) -> list[dict[str, Any]]:
        store = self._store
        return [
            {
                "row": row,
                "aliases": [alias["name"] for alias in store.artifacts.collections.aliases(row["id"])],
                "files": store.files.of_artifact(row["id"])[:ENTRIES_SHOWN],
            }
            for row in rows
        ]


def _page(request: Request) -> int:
    text = request.query_params.get("page", "1")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1


def _shown(run: sqlite3.Row, config: listing.Leaves | None = None) -> dict[str, Any]:
    groups = {"group": run["run_group"]} if run["run_group"] else {}
    groups |= {f"config.{path}": number(value) for path, value in [*(config or {}).items()][:GROUPED]}
    return {"name": run["name"], "label": run["display_name"] or run["name"], "number": run["id"], "groups": groups}


def _groups(record: listing.Record, columns: Sequence[listing.Column]) -> dict[str, str]:
    """What runs can be grouped by, for means over the runs that have it in common."""
    found = {"group": record.group} if record.group else {}
    chosen = [column.key for column in columns if column.key.startswith("config.")][:GROUPED]
    return found | {key: number(record.value(key)) for key in chosen if record.value(key) is not None}


def _script(entity: str, project: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the page's script must know."""
    return {"entity": entity, "project": project, "runs": [*runs]}


def _side_by_side(leaves: Sequence[listing.Leaves]) -> list[tuple[str, list[tuple[str, str]], bool]]:
    """For every path its values in each run, whole and in brief, and whether they differ."""
    rows = []
    for path in sorted({path for found in leaves for path in found}):
        values = [(contents.text_of(found[path]), number(found[path])) if path in found else ("–", "–") for found in leaves]
        rows.append((path, values, len({whole for whole, _ in values}) > 1))
    return rows
