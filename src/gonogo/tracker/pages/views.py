"""The pages: what each of them is given."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gonogo.tracker.environment import started_with
from gonogo.tracker.pages import contents, listing
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
            script=_script(entity, project["name"], []),
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
            script=_script(entity, project["name"], [_shown(run) for run in found]),
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
        files = contents.tables(self._store, run)
        asked = request.query_params.get("table")
        file = next((file for file in files if file["name"] == asked), files[0] if files and asked is None else None)
        if asked is not None and file is None:
            raise HTTPException(404, f"The run has no table “{asked}”.")
        summary = self._summary(run)
        shown = contents.table(self._store, file, _page(request)) if file else None
        others = [contents.table(self._store, other, 1) for other in contents.confusions(self._store, files) if other is not file]
        return {
            "files": files,
            "shown": shown,
            "matrices": [table for table in ([shown] if shown else []) + others if table.matrix],
            "pictures": contents.pictures(summary),
        }

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


def _shown(run: sqlite3.Row) -> dict[str, Any]:
    return {"name": run["name"], "label": run["display_name"] or run["name"], "number": run["id"]}


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
