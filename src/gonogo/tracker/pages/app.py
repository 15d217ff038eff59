"""The application behind `/`.

It says which page is where, who is let in, and what is shown when something goes wrong.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gonogo.tracker.pages import assets
from gonogo.tracker.pages.actions import Actions
from gonogo.tracker.pages.data import Data
from gonogo.tracker.pages.login import Login
from gonogo.tracker.pages.render import page
from gonogo.tracker.pages.views import Views
from gonogo.tracker.service import Service

log = logging.getLogger("gonogo.tracker")
HEADERS = {
    # plotly sets styles on its elements and makes pictures of charts as data and blobs.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # an address may hold the key: it is for nobody else
    "Cross-Origin-Opener-Policy": "same-origin",
}
TITLES = {
    400: "This can't be read",
    403: "This is not for you",
    404: "Nothing is here",
    405: "This can't be asked for in this way",
    500: "Something went wrong in the tracker",
}


def pages(service: Service) -> Starlette:
    """The application behind `/`."""
    login, views, data, actions = Login(service), Views(service), Data(service), Actions(service)
    return Starlette(
        routes=[
            Route("/login", login.form, methods=["GET"]),
            Route("/login", login.enter, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/static/{version}/{name}", assets.static, methods=["GET"]),
            Route("/data/metrics", data.metrics, methods=["GET"]),
            Route("/data/curves", data.curves, methods=["GET"]),
            Route("/data/histograms", data.histograms, methods=["GET"]),
            Route("/data/pictures", data.pictures, methods=["GET"]),
            Route("/data/points", data.points, methods=["GET"]),
            Route("/data/export", data.export, methods=["GET"]),
            Route("/data/console", data.console, methods=["GET"]),
            Route("/data/image", data.image, methods=["GET"]),
            Route("/data/file", data.file, methods=["GET"]),
            Route("/do/rename-run", actions.rename_run, methods=["POST"]),
            Route("/do/stop-run", actions.stop_run, methods=["POST"]),
            Route("/do/delete-runs", actions.delete_runs, methods=["POST"]),
            Route("/do/rename-project", actions.rename_project, methods=["POST"]),
            Route("/do/delete-project", actions.delete_project, methods=["POST"]),
            Route("/do/delete-artifact", actions.delete_artifact, methods=["POST"]),
            Route("/", views.projects, methods=["GET"]),
            Route("/{entity}/{project}", views.runs, methods=["GET"]),
            Route("/{entity}/{project}/compare", views.compare, methods=["GET"]),
            Route("/{entity}/{project}/plots", views.plots, methods=["GET"]),
            Route("/{entity}/{project}/sweeps/{sweep}", views.sweep, methods=["GET"]),
            Route("/{entity}/{project}/verdicts", views.verdicts, methods=["GET"]),
            Route("/{entity}/{project}/verdicts/{verdict:int}", views.verdict, methods=["GET"]),
            Route("/{entity}/{project}/runs/{run:path}", views.run, methods=["GET"]),
        ],
        middleware=[
            Middleware(_Headers),
            Middleware(GZipMiddleware, minimum_size=2000, compresslevel=4),
            Middleware(_Guard, login=login),
        ],
        exception_handlers={HTTPException: _refused, 500: _broken},
    )


class _Headers:
    """Gives every answer the headers that keep others out of the pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _complete(message: MutableMapping[str, Any]) -> None:
    headers = list(message.get("headers", []))
    present = {name.lower() for name, _ in headers}
    wanted = {**HEADERS, "Cache-Control": "no-store"}  # what runs logged must not be found in a browser's cache after the logout
    headers += [(name.lower().encode(), value.encode()) for name, value in wanted.items() if name.lower().encode() not in present]
    message["headers"] = headers


class _Guard:
    """Lets only those in who know the key; the login and the static files are for all."""

    def __init__(self, app: ASGIApp, login: Login) -> None:
        self._app = app
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        path = request.url.path
        if path == "/login" or path.startswith("/static/") or await run_in_threadpool(self._login.knows, request):
            await self._app(scope, receive, send)
            return
        answer: Response
        if path.startswith("/data/") or request.method not in ("GET", "HEAD"):
            answer = JSONResponse({"error": "the API key is missing or wrong: log in at /login"}, 401)
        else:
            raw = scope.get("raw_path") or quote(scope["path"]).encode()  # as it was asked for, with any %2F in it
            after = (raw + b"?" * bool(scope["query_string"]) + scope["query_string"]).decode("ascii", "replace")
            answer = RedirectResponse("/login" if after == "/" else f"/login?next={quote(after, safe='')}", 303)
        await answer(scope, receive, send)


def _refused(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    headers = getattr(error, "headers", None)
    if request.url.path.startswith("/data/"):
        return JSONResponse({"error": detail}, status, headers)
    answer = page("error.html", status, title=TITLES.get(status, "This did not work"), detail=detail)
    answer.headers.update(headers or {})
    return answer


def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return _refused(request, HTTPException(500, "The tracker's log says more. What runs log is stored all the same."))
