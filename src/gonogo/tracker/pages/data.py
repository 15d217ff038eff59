"""What the pages' script asks for: JSON, and files.

The query names the run, since any name may be written there.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from gonogo.model.errors import UsageError
from gonogo.tracker import tabular
from gonogo.tracker.pages import contents, listing, logged
from gonogo.tracker.pages.curves import POINTS, Curves
from gonogo.tracker.service import Service
from gonogo.tracker.store.runs import RefusedError

LIMIT_OF_RUNS = 40
LIMIT_OF_KEYS = 60
LIMIT_OF_LINES = 2000
LIMIT_OF_POINTS = 5000
MEBIBYTE = 1 << 20
# How files begin that hold pictures; no other kind is shown. SVG is not among them: it can hold scripts.
_PICTURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"))


class Data:
    """The data endpoints."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store
        self._tables = listing.Tables(service.store, service.settings.entity)

    def metrics(self, request: Request) -> Response:
        """Names of the metrics that some runs logged."""
        names: dict[str, None] = {}
        for run in self._runs(request):
            names |= dict.fromkeys(Curves(self._store, run).names())
        return _json({"metrics": [*names]})

    def curves(self, request: Request) -> Response:
        """Curves of some metrics of some runs, by the runs' ids."""
        keys = request.query_params.getlist("key")
        if len(keys) > LIMIT_OF_KEYS:
            raise HTTPException(400, f"At most {LIMIT_OF_KEYS} metrics can be asked for at once.")
        runs = self._runs(request)
        count = POINTS if len(runs) <= 4 else POINTS // 2
        return _json({"runs": {run["name"]: Curves(self._store, run).sampled(keys, count) for run in runs}})

    def histograms(self, request: Request) -> Response:
        """The histograms of one key of a run, on one grid."""
        run, key = self._run(request)["id"], request.query_params.get("key", "")
        found = logged.values(self._store, run, key)
        if not found:
            raise HTTPException(404, f"The run logged no histogram as {key!r}.")
        return _json(logged.histograms(found))

    def pictures(self, request: Request) -> Response:
        """The pictures of one key of a run, step by step."""
        run, key = self._run(request)["id"], request.query_params.get("key", "")
        found = logged.values(self._store, run, key)
        if not found:
            raise HTTPException(404, f"The run logged no picture as {key!r}.")
        return _json({"steps": [{"step": each.step, "files": logged.pictures(self._store, run, each.value)} for each in found]})

    def points(self, request: Request) -> Response:
        """Runs that fit a filter with their values in some columns, for plots of runs."""
        project = self._project(request)
        columns = request.query_params.getlist("col")
        if len(columns) > LIMIT_OF_KEYS:
            raise HTTPException(400, f"At most {LIMIT_OF_KEYS} columns can be asked for at once.")
        try:
            records = self._tables.fitting(project["id"], request.query_params.get("q", ""))
        except RefusedError as error:
            raise HTTPException(400, str(error)) from error
        shown = listing.ordered(records, "-created")[:LIMIT_OF_POINTS]
        runs = [{"name": one.name, "label": one.label, "number": one.number, "values": _finite(one, columns)} for one in shown]
        return _json({"runs": runs, "count": len(records)})

    def export(self, request: Request) -> Response:
        """A table as a file: the history of a run (`run`), or the runs of a project."""
        kind = request.query_params.get("format", "csv")
        if kind not in ("csv", "parquet"):
            raise HTTPException(400, "A table can be had as csv or parquet.")
        rows: Callable[[], Iterable[tabular.Row]]
        if "run" in request.query_params:
            run = self._run(request)
            rows, name = tabular.history(self._store, run["id"]), f"{run['name']}-history.{kind}"
        else:
            project = self._project(request)
            table = self._rows_of_runs(project["id"], request.query_params.get("q", ""))
            rows, name = lambda: table, f"{project['name']}-runs.{kind}"
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.replace('/', '-'), safe='', errors='replace')}"}
        if kind == "csv":
            return StreamingResponse(tabular.csv_parts(rows), media_type="text/csv; charset=utf-8", headers=headers)
        folder = tempfile.mkdtemp(prefix="gonogo-export-")
        path = Path(folder) / "table.parquet"
        try:
            tabular.write_parquet(rows, path)
        except UsageError as error:
            shutil.rmtree(folder)
            raise HTTPException(501, str(error)) from error
        return FileResponse(
            path, media_type="application/vnd.apache.parquet", headers=headers, background=BackgroundTask(shutil.rmtree, folder)
        )

    def _rows_of_runs(self, project: int, text: str) -> list[tabular.Row]:
        try:
            records = self._tables.fitting(project, text)
        except RefusedError as error:
            raise HTTPException(400, str(error)) from error
        return [
            {
                "id": record.name,
                "name": record.label,
                "state": record.state,
                "created": record.created,
                "duration": record.duration,
                "last_step": record.step,
                "group": record.group,
                "tags": json.dumps(record.tags),
                **{f"config.{path}": value for path, value in record.config.items()},
                **{f"summary.{path}": value for path, value in record.summary.items()},
            }
            for record in listing.ordered(records, "created")
        ]

    def _project(self, request: Request) -> sqlite3.Row:
        entity, name = (request.query_params.get(key, "") for key in ("entity", "project"))
        found = self._store.runs.project(entity, name)
        if found is None:
            raise HTTPException(404, f"There is no project {entity}/{name}.")
        return found

    def console(self, request: Request) -> Response:
        """Lines of a run's console."""
        before, after = (_whole(request, name) for name in ("before", "after"))
        limit = max(1, min(LIMIT_OF_LINES, _whole(request, "limit") or LIMIT_OF_LINES))
        return _json({"lines": contents.console(self._store, self._run(request)["id"], before, after, limit)})

    def image(self, request: Request) -> Response:
        """A picture that a run logged."""
        row = self._file(request)
        path = self._store.files.path(row)
        try:
            with path.open("rb") as file:
                begin = file.read(12)
        except FileNotFoundError:
            raise HTTPException(404, "The file is gone.") from None
        kind = next((kind for mark, kind in _PICTURES if begin.startswith(mark)), None)
        if begin[:4] == b"RIFF" and begin[8:] == b"WEBP":
            kind = "image/webp"
        if kind is None:
            raise HTTPException(404, "The file holds no picture of a kind that is shown here.")
        return FileResponse(path, media_type=kind, headers={"Content-Security-Policy": "sandbox; default-src 'none'"})

    def file(self, request: Request) -> Response:
        """Lead to a file of a run, or of an artifact of its project, with a link that is good for a while."""
        row = self._file(request)
        token = self._service.credentials.sign("GET", row["id"], self._service.settings.link_lifetime)
        return RedirectResponse(f"/storage/{token}", 303)

    def _runs(self, request: Request) -> list[sqlite3.Row]:
        names = [*dict.fromkeys(request.query_params.getlist("run"))]
        if len(names) > LIMIT_OF_RUNS:
            raise HTTPException(400, f"At most {LIMIT_OF_RUNS} runs can be asked for at once.")
        return [self._named(request, name) for name in names]

    def _run(self, request: Request) -> sqlite3.Row:
        return self._named(request, request.query_params.get("run", ""))

    def _named(self, request: Request, name: str) -> sqlite3.Row:
        entity, project = (request.query_params.get(key, "") for key in ("entity", "project"))
        run = self._store.runs.find(entity, project, name)
        if run is None:
            raise HTTPException(404, f"There is no run {name!r} in {entity}/{project}.")
        return run

    def _file(self, request: Request) -> sqlite3.Row:
        name, artifact = request.query_params.get("name", ""), _whole(request, "artifact")
        found: Sequence[sqlite3.Row]
        if artifact is None:
            found = self._store.files.of_run(self._run(request)["id"], [name])
        else:
            found = self._store.files.of_artifact(artifact, [name])
        if not found:
            raise HTTPException(404, f"There is no file {name!r}.")
        return found[0]


def _whole(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 18:
        raise HTTPException(400, f"{name} must be a whole number.")
    return int(text)


def _finite(record: listing.Record, columns: Sequence[str]) -> list[Any]:
    """Values of a run in some columns; None for what no chart can show."""
    values = [record.value(column) for column in columns]
    return [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]


def _json(content: Any) -> Response:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Response(text, media_type="application/json")
