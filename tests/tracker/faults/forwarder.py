"""A forwarder between a client and a tracker: it knows what the client was told, and lets somebody strike at a chosen moment of a call."""

from __future__ import annotations

import http.client
import json
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from faults.acknowledged import Acknowledged

STREAM = re.compile(r"/files/[^/]+/[^/]+/([^/]+)/file_stream")
HISTORY = "wandb-history.jsonl"
# Moments of one call that has rows, a file or an artifact to store, and when they are.
MOMENTS = {
    "before": "the client has sent it, the server has not seen it",
    "halfway": "the server has half of it",
    "at work": "the server has all of it and works on it",
    "answered": "the server has answered, the client has not heard it",
}
# From the last byte of a call to its answer takes the server about as long.
AT_WORK_SECONDS = 0.006


class Forwarder:
    """Listens on a port of its own for as long as the block lasts, and passes on what comes to the port of a tracker.

    Attributes:
        told: Lines of history by run and step that the tracker answered 200 for, with the answer passed on.
        statuses: How often the tracker gave which HTTP status.
        failures: Its answers with a status from 500 on.
        contradictions: Rows that were told stored and then sent again with other values.
        acknowledged: Files and artifacts that the tracker answered 200 for, with the answer passed on.
    """

    def __init__(self, port: int) -> None:
        self.told: dict[str, dict[int, str]] = {}
        self.statuses: Counter[int] = Counter()
        self.failures: list[str] = []
        self.contradictions: list[str] = []
        self.acknowledged = Acknowledged()
        self._port = port
        self._lock = threading.Lock()
        self._armed: tuple[str, str, bool, Callable[[], None]] | None = None
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"forwarder": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Forwarder:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def snapshot(self) -> dict[str, dict[int, str]]:
        """What the clients have been told is stored, as of now."""
        with self._lock:
            return {run: dict(lines) for run, lines in self.told.items()}

    def arm(self, run: str, moment: str, upload: bool, strike: Callable[[], None]) -> None:
        """Have something done, once, at a moment of the next call of a run that has rows, or that has a file or an artifact."""
        with self._lock:
            self._armed = (run, moment, upload, strike)

    def disarm(self) -> None:
        """Have nothing done any more."""
        with self._lock:
            self._armed = None

    def _at(self, run: str | None, moment: str, upload: bool) -> None:
        with self._lock:
            if self._armed is None or self._armed[:3] != (run, moment, upload):
                return
            strike, self._armed = self._armed[3], None
        strike()

    def _pass_on(
        self, run: str | None, upload: bool, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._at(run, "before", upload)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders()
            half = len(body) // 2
            connection.send(body[:half])
            self._at(run, "halfway", upload)
            connection.send(body[half:])
            if run is not None and self._armed is not None and self._armed[1] == "at work":
                time.sleep(random.uniform(0, AT_WORK_SECONDS))
                self._at(run, "at work", upload)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        self._at(run, "answered", upload)
        return response, content

    def _note(self, run: str | None, status: int, lines: list[str], method: str, path: str, body: bytes, answer: bytes) -> None:
        with self._lock:
            self.statuses[status] += 1
            if status >= 500:
                self.failures.append(f"{status} for {method} {path}: {answer[:200]!r}")
            if status == 200:
                self.acknowledged.note(path, body, answer)
            if run is not None and status == 200:
                of_run = self.told.setdefault(run, {})
                for line in lines:
                    step = json.loads(line)["_step"]
                    if of_run.setdefault(step, line) != line:
                        self.contradictions.append(f"{run}: step {step} was stored, and was sent again with other values")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that was killed
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    forwarder: Forwarder
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = STREAM.fullmatch(self.path)
        files = json.loads(body).get("files") or {} if found else {}
        lines = files.get(HISTORY, {}).get("content", [])
        run = found[1] if found and lines else None
        upload = None if found else self.forwarder.acknowledged.run_of(self.path, body)
        try:
            response, content = self.forwarder._pass_on(run or upload, upload is not None, self.command, self.path, self.headers, body)
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # to the client it looks as if the tracker itself had gone
        else:
            self.forwarder._note(run, response.status, lines, self.command, self.path, body, content)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass
