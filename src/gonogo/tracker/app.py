"""The ASGI application: what is answered at which address, and to whom."""

from __future__ import annotations

import base64
import errno
import json
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from gonogo.tracker.api import engine
from gonogo.tracker.api.context import Context
from gonogo.tracker.pages.app import pages
from gonogo.tracker.service import Service
from gonogo.tracker.store import ids
from gonogo.tracker.store.files import IncompleteError, TooLargeError
from gonogo.tracker.store.runs import RefusedError
from gonogo.tracker.stream import receive

log = logging.getLogger("gonogo.tracker")
Endpoint = Callable[[Request], Awaitable[Response]]
LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
# The header by which processes say that they share a run.
SHARED = "x-wandb-use-async-filestream"
LIMIT_OF_NAMES = 200
_DIGEST = re.compile(r"[0-9a-f]{32}")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def application(service: Service) -> Starlette:
    """The application that answers for a tracker."""
    calls = _Calls(service)
    # Pages elsewhere must not reach a tracker by pointing a name of theirs at this machine. Listening on all addresses, a tracker can't
    # know its names; there only the key protects it.
    host = service.settings.host
    hosts = [*LOOPBACK, host] if host not in ("0.0.0.0", "::") else ["*"]
    return Starlette(
        routes=[
            Route("/graphql", _guarded(service, calls.graphql), methods=["POST"]),
            Route("/files/{entity}/{project}/{run}/file_stream", _guarded(service, calls.file_stream), methods=["POST"]),
            Route("/files//{project}/{run}/file_stream", _guarded(service, calls.file_stream), methods=["POST"]),
            Route("/artifacts/{path:path}", _guarded(service, calls.artifact_file), methods=["GET"]),
            Route("/artifactsV2/{path:path}", _guarded(service, calls.artifact_file), methods=["GET"]),
            Route("/storage/{token}", _answered(calls.download), methods=["GET"]),
            Route("/storage/{token}/{name:path}", _answered(calls.download), methods=["GET"]),
            Route("/storage/{token}", _answered(calls.upload), methods=["PUT"]),
            Route("/verdicts/{entity}/{project}", _guarded(service, calls.verdict), methods=["POST"]),
            Route("/healthz", calls.health, methods=["GET"]),
            Route("/sdk/otel/{what:path}", calls.telemetry, methods=["POST"]),
            Mount("/", pages(service)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
    )


class _Calls:
    """What the client asks a tracker for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.settings, self.store, self.credentials = service.settings, service.store, service.credentials

    async def health(self, request: Request) -> Response:
        """Say that the server is up."""
        return JSONResponse({"ok": True})

    async def telemetry(self, request: Request) -> Response:
        """Reject all telemetry of W&B's client.

        After this answer, and no other, the client keeps its telemetry to itself without a message.
        """
        return JSONResponse({"error": "no telemetry is taken here"}, 404)

    async def graphql(self, request: Request) -> Response:
        """Answer a GraphQL operation."""
        asked = _parsed(await _body(request, self.settings.body_limit))
        text, variables, name = asked.get("query"), asked.get("variables") or {}, asked.get("operationName")
        if not isinstance(text, str) or not isinstance(variables, dict):
            raise RefusedError("graphql: the body must be a JSON object with a text as its query and an object as its variables")
        shared = request.headers.get("x-wandb-client-id") if request.headers.get(SHARED) == "true" else None
        links, service = _Links(self._service, request), self._service
        context = Context(
            self.store, self.settings, links, service.listings, service.controller, shared, request.headers.get("user-agent", "")
        )
        status, answer = await run_in_threadpool(engine.run, context, text, variables, name)
        return _Json(answer, status)

    async def file_stream(self, request: Request) -> Response:
        """Take what a run logs."""
        names = request.path_params
        asked = _parsed(await _body(request, self.settings.body_limit))
        entity = names.get("entity") or self.settings.entity
        run = await run_in_threadpool(self.store.runs.find, entity, names["project"], names["run"])
        if run is None:
            raise KeyError(names["run"])
        writer = request.headers.get("x-wandb-async-client-id") if request.headers.get(SHARED) == "true" else None
        stopped = await run_in_threadpool(receive, self.store, run, asked, writer)
        return JSONResponse({"limits": {}, "stopped": True} if stopped else {"limits": {}})

    async def verdict(self, request: Request) -> Response:
        """Keep a verdict of the gate beside the runs that it is about; `?run=` names more of them."""
        text = (await _body(request, self.settings.body_limit)).decode(errors="replace")
        names, runs = request.path_params, request.query_params.getlist("run")

        def keep() -> dict[str, Any]:
            project = self.store.runs.make_project(names["entity"], names["project"])
            row = self.store.verdicts.add(project["id"], text, runs)
            return {"id": row["id"], "outcome": row["outcome"], "runs": self.store.verdicts.runs(row["id"])}

        return JSONResponse(await run_in_threadpool(keep))

    async def artifact_file(self, request: Request) -> Response:
        """Return a file of an artifact by the digest of its content.

        The address is `…/ID OF THE ARTIFACT IT CAME WITH/DIGEST[/NAME]`, or `…/DIGEST`.
        """
        parts = request.path_params["path"].split("/")
        place = max((at for at, part in enumerate(parts) if _DIGEST.fullmatch(part)), default=None)
        if place is None:
            raise KeyError(parts[-1])
        birth = parts[place - 1] if place and ids.kind_of(parts[place - 1]) == "Artifact" else None
        md5 = base64.b64encode(bytes.fromhex(parts[place])).decode()
        artifact = ids.read("Artifact", birth) if birth else None
        row = await run_in_threadpool(self.store.artifacts.by_digest, md5, artifact)
        if row is None:
            raise KeyError(parts[-1])
        return self._content(row)

    async def upload(self, request: Request) -> Response:
        """Take the content of a file."""
        file = self._signed(request)
        announced = request.headers.get("content-length", "")
        length = int(announced) if announced.isdecimal() else None
        await self.store.files.receive(file, _chunks(request), length, self.settings.upload_limit)
        return Response()

    async def download(self, request: Request) -> Response:
        """Give the content of a file."""
        row = await run_in_threadpool(self.store.files.get, self._signed(request))
        if row is None or row["content"] is None:
            raise KeyError("file")
        return self._content(row)

    def _content(self, row: sqlite3.Row) -> Response:
        # What runs uploaded is never shown as a page of this server's: it could act for whoever looks at it.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox", "Cache-Control": "private"}
        name = row["name"].rsplit("/", 1)[-1]
        return FileResponse(self.store.files.path(row), media_type="application/octet-stream", filename=name, headers=headers)

    def _signed(self, request: Request) -> int:
        file = self.credentials.signed(request.path_params["token"], request.method, self.settings.link_lifetime)
        if file is None:
            raise PermissionError
        return file


class _Links:
    """Makes links that lead to where the request came to."""

    def __init__(self, service: Service, request: Request) -> None:
        self._sign = service.credentials.sign
        self._lifetime = service.settings.link_lifetime
        self._base = str(request.base_url).rstrip("/")

    def upload(self, file: int) -> str:
        return f"{self._base}/storage/{self._sign('PUT', file, self._lifetime)}"

    def download(self, file: int, name: str) -> str:
        # Clients resolve `..` before they ask: a name must not lead away from its link.
        parts = [quote(part, "", errors="replace") for part in name[-LIMIT_OF_NAMES:].split("/") if part not in ("", ".", "..")]
        return "/".join([self._base, "storage", self._sign("GET", file, self._lifetime), *parts])


class _Json(Response):
    """JSON with texts as they are, which is quicker to write and to read than with escapes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _guarded(service: Service, endpoint: Endpoint) -> Endpoint:
    """Let only those in who know the key."""

    async def guarded(request: Request) -> Response:
        if not service.credentials.fits_header(request.headers.get("authorization")):
            return JSONResponse({"error": "the API key is missing or wrong"}, 401, {"WWW-Authenticate": "Basic"})
        return await endpoint(request)

    return _answered(guarded)


def _answered(endpoint: Endpoint) -> Endpoint:
    """Turn errors into answers that clients understand.

    Clients repeat after 5xx, and give up after 4xx.
    """

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except TooLargeError as error:
            return _error(request, 413, str(error))
        except (RefusedError, IncompleteError) as error:
            return _error(request, 400, str(error))
        except PermissionError:
            return _error(request, 403, "the link is not signed, not for this, or no longer good")
        except KeyError as error:
            return _error(request, 404, f"{error}: there is no such one")
        except ClientDisconnect:
            return _error(request, 400, "the client went away")
        except (UnicodeEncodeError, OverflowError, RecursionError) as error:
            return _error(request, 400, f"nothing that can be stored or looked for: {error}")
        except sqlite3.IntegrityError:
            return _error(request, 404, "what it belongs to was removed meanwhile")
        except (OSError, sqlite3.OperationalError) as error:
            if isinstance(error, OSError) and error.errno not in FULL:
                raise
            return _error(request, 503, f"can't be stored now: {error}")

    return answered


def _error(request: Request, status: int, text: str) -> Response:
    log.warning("%s %s: %s %s", request.method, request.url.path.split("/storage/")[0] or "/storage", status, text)
    return JSONResponse({"error": text}, status)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RefusedError("the body must be a JSON object")
    return found


async def _body(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"more than the {limit} bytes allowed")
        parts.append(chunk)
    return b"".join(parts)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk
