"""Calls to a tracker without a client, well-formed or not, and what its process uses."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gonogo.tracker import Tracker

ENTITY, PROJECT = "lab", "faults"
UPSERT = "mutation Upsert($input: UpsertBucketInput!) { upsertBucket(input: $input) { bucket { id name } } }"
STATE = """query Run($name: String!) { project(name: "faults", entityName: "lab") { run(name: $name) {
    state historyLineCount summaryMetrics history(minStep: 0, maxStep: 1000000, samples: 1000000) } } }"""
LINKS = """mutation Links($run: String!, $files: [String!]!) { createRunFiles(input: {entityName: "lab", projectName: "faults",
    runName: $run, files: $files}) { files { uploadUrl } } }"""
FILES = """query Files($run: String!) { project(name: "faults", entityName: "lab") { run(name: $run) { files { edges { node {
    name sizeBytes directUrl } } } } } }"""


def port_of(tracker: Tracker) -> int:
    """Where a tracker listens."""
    return int(tracker.url.rpartition(":")[2])


def request(tracker: Tracker, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(tracker), timeout=60)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {tracker.api_key}"} | (headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def graphql(tracker: Tracker, query: str, **variables: Any) -> tuple[int, Any]:
    """Status and JSON of an answer to a query."""
    status, body = request(tracker, "POST", "/graphql", json.dumps({"query": query, "variables": variables}).encode())
    return status, json.loads(body) if body.startswith(b"{") else body


def make_run(tracker: Tracker, name: str, **values: Any) -> tuple[int, Any]:
    """Make a run, or change it."""
    return graphql(tracker, UPSERT, input={"entityName": ENTITY, "modelName": PROJECT, "name": name, **values})


def stream(tracker: Tracker, name: str, body: bytes | dict[str, Any]) -> int:
    """Status after something was sent to a run's file stream."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(tracker, "POST", f"/files/{ENTITY}/{PROJECT}/{quote(name, safe='')}/file_stream", text)[0]


def history(*lines: str, **more: Any) -> dict[str, Any]:
    """A body of the file stream with rows."""
    return {"files": {"wandb-history.jsonl": {"offset": 0, "content": [*lines]}}, **more}


def look(tracker: Tracker, name: str) -> dict[str, Any]:
    """A run as the tracker has it."""
    status, answer = graphql(tracker, STATE, name=name)
    assert status == 200, answer
    found: dict[str, Any] = answer["data"]["project"]["run"]
    return found


def upload_path(tracker: Tracker, run: str, file: str) -> str:
    """Where a file of a run may be sent."""
    status, answer = graphql(tracker, LINKS, run=run, files=[file])
    assert status == 200, answer
    return path_of(answer["data"]["createRunFiles"]["files"][0]["uploadUrl"])


def files(tracker: Tracker, run: str) -> dict[str, bytes]:
    """The files of a run and their content."""
    status, answer = graphql(tracker, FILES, run=run)
    assert status == 200, answer
    nodes = [edge["node"] for edge in answer["data"]["project"]["run"]["files"]["edges"]]
    return {node["name"]: request(tracker, "GET", path_of(node["directUrl"]))[1] for node in nodes}


def path_of(url: str) -> str:
    """A URL without where it is."""
    return "/" + url.split("/", 3)[3]


def talk(tracker: Tracker, text: bytes, *, then: str = "") -> int:
    """Send bytes as they are, and `then` say that nothing follows ("end") or go away ("gone"); the status of the answer, or 0 for none."""
    with socket.create_connection(("127.0.0.1", port_of(tracker)), timeout=20) as connection:
        try:
            connection.sendall(text)
            if then == "gone":
                return 0
            if then == "end":
                connection.shutdown(socket.SHUT_WR)
            found = re.match(rb"HTTP/1.1 (\d+) ", connection.recv(4096))
        except OSError:  # the server closed first
            return 0
    return int(found[1]) if found else 0


def head(tracker: Tracker, method: str, path: str | bytes, *lines: str) -> bytes:
    """The head of a call, with the key."""
    target = path if isinstance(path, bytes) else path.encode()
    fixed = ["Host: 127.0.0.1", f"Authorization: Bearer {tracker.api_key}", "Connection: close", *lines]
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in fixed).encode() + b"\r\n"


def peak_memory(tracker: Tracker) -> float:
    """The most MiB of memory that a tracker's process ever had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{tracker.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@contextmanager
def half_sent(tracker: Tracker, text: bytes) -> Iterator[None]:
    """A call that was begun, for as long as the block lasts."""
    with socket.create_connection(("127.0.0.1", port_of(tracker)), timeout=20) as connection:
        connection.sendall(text)
        yield
