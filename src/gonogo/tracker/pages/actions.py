"""What people change on the pages: names, and what is to be deleted, after they were asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gonogo.tracker.pages.forms import Fields, fields, local, one
from gonogo.tracker.pages.render import address, page
from gonogo.tracker.service import Service
from gonogo.tracker.store.runs import LIMIT_OF_NAMES, RefusedError

LIMIT_OF_FORMS = 1_000_000
LIMIT_OF_RUNS = 1000


class Actions:
    """Forms and what they do."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store

    async def rename_run(self, request: Request) -> Response:
        """Give a run another display name."""
        return await self._do(request, self._rename_run)

    async def delete_runs(self, request: Request) -> Response:
        """Ask whether runs are to be deleted, or delete them."""
        return await self._do(request, self._delete_runs)

    async def rename_project(self, request: Request) -> Response:
        """Give a project another name."""
        return await self._do(request, self._rename_project)

    async def delete_project(self, request: Request) -> Response:
        """Ask whether a project is to be deleted, or delete it."""
        return await self._do(request, self._delete_project)

    async def delete_artifact(self, request: Request) -> Response:
        """Ask whether a version of an artifact is to be deleted, or delete it."""
        return await self._do(request, self._delete_artifact)

    async def stop_run(self, request: Request) -> Response:
        """Ask the process of a run to stop."""
        return await self._do(request, self._stop_run)

    async def _do(self, request: Request, action: Callable[[Fields], Response]) -> Response:
        given = await fields(request, LIMIT_OF_FORMS)
        try:
            return await run_in_threadpool(action, given)
        except RefusedError as error:
            raise HTTPException(400, str(error)) from error

    def _rename_run(self, given: Fields) -> Response:
        run, label = self._run(given), one(given, "label").strip()
        if not 0 < len(label) <= LIMIT_OF_NAMES:
            raise RefusedError(f"A name has 1 to {LIMIT_OF_NAMES} characters.")
        self._store.runs.update(run["id"], {"display_name": label})
        return RedirectResponse(address(one(given, "entity"), one(given, "project"), "runs", run["name"]), 303)

    def _stop_run(self, given: Fields) -> Response:
        run = self._run(given)
        self._store.runs.update(run["id"], {"stop": 1})
        return RedirectResponse(address(one(given, "entity"), one(given, "project"), "runs", run["name"]), 303)

    def _delete_runs(self, given: Fields) -> Response:
        entity, project = one(given, "entity"), one(given, "project")
        names = [*dict.fromkeys(given.get("runs", []))]
        if not names or len(names) > LIMIT_OF_RUNS:
            raise RefusedError(f"Pick 1 to {LIMIT_OF_RUNS} runs to be deleted.")
        runs = [self._run({"entity": [entity], "project": [project], "run": [name]}) for name in names]
        if one(given, "sure") != "yes":
            held = [self._held(run) for run in runs]
            return page(
                "delete_runs.html",
                entity=entity,
                project=project,
                runs=runs,
                states={run["id"]: self._store.runs.state(run) for run in runs},
                rows=sum(run["rows"] for run in runs),
                files=sum(files for files, _ in held),
                size=sum(size for _, size in held),
                artifacts=sum(len(self._store.artifacts.logged_by(run["id"])) for run in runs),
            )
        for run in runs:
            self._store.deletion.run(run["id"], one(given, "artifacts") == "yes")
        return RedirectResponse(address(entity, project), 303)

    def _rename_project(self, given: Fields) -> Response:
        project, name = self._project(given), one(given, "name").strip()
        if not 0 < len(name) <= LIMIT_OF_NAMES:
            raise RefusedError(f"A name has 1 to {LIMIT_OF_NAMES} characters.")
        self._store.runs.describe_project(project["id"], {"name": name})
        return RedirectResponse(address(project["entity"], name), 303)

    def _delete_project(self, given: Fields) -> Response:
        project = self._project(given)
        if one(given, "sure") != "yes":
            count = self._store.runs.count(project["id"])
            collections = self._store.artifacts.collections.of_project(project["id"])
            return page("delete_project.html", project=project, count=count, collections=len(collections))
        self._store.deletion.project(project["id"])
        return RedirectResponse("/", 303)

    def _delete_artifact(self, given: Fields) -> Response:
        text = one(given, "artifact")
        artifact = self._store.artifacts.get(int(text)) if text.isascii() and text.isdecimal() and len(text) < 18 else None
        if artifact is None or artifact["state"] != "COMMITTED":
            raise HTTPException(404, "There is no such version.")
        if one(given, "sure") != "yes":
            names = [row["name"] for row in self._store.artifacts.collections.aliases(artifact["id"])]
            return page("delete_artifact.html", artifact=artifact, aliases=names, back=local(one(given, "back")))
        self._store.artifacts.delete(artifact["id"], with_aliases=True)
        self._store.care.wake()
        return RedirectResponse(local(one(given, "back")), 303)

    def _project(self, given: Fields) -> sqlite3.Row:
        entity, name = one(given, "entity"), one(given, "project")
        found = self._store.runs.project(entity, name)
        if found is None:
            raise HTTPException(404, f"There is no project {entity}/{name}.")
        return found

    def _run(self, given: Fields) -> sqlite3.Row:
        entity, project, name = (one(given, key) for key in ("entity", "project", "run"))
        found = self._store.runs.find(entity, project, name)
        if found is None:
            raise HTTPException(404, f"There is no run “{name}” in {entity}/{project}.")
        return found

    def _held(self, run: sqlite3.Row) -> tuple[int, int]:
        files = self._store.files.of_run(run["id"])
        return len(files), sum(file["size"] or 0 for file in files)
