"""Talks to a tracker as a client does, without one: for importing and exporting."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from gonogo.model.errors import UsageError
from gonogo.tracker.beside import running
from gonogo.tracker.store.history import finite

# Rows that are sent, or asked for, at once.
BATCH = 2000
UPSERT = "mutation Import($input: UpsertBucketInput!) { upsertBucket(input: $input) { bucket { id name } } }"
LINKS = "mutation Links($input: CreateRunFilesInput!) { createRunFiles(input: $input) { files { name uploadUrl } } }"
RUNS = """query Runs($entity: String!, $project: String!, $after: String) { project(entityName: $entity, name: $project) {
    runs(first: 100, after: $after, order: "+created_at") { pageInfo { endCursor hasNextPage } edges { node {
    name displayName state config summaryMetrics group jobType tags notes createdAt heartbeatAt historyKeys } } } } }"""
ROWS = """query Rows($entity: String!, $project: String!, $run: String!, $first: Int64!, $end: Int64!) {
    project(entityName: $entity, name: $project) { run(name: $run) { history(minStep: $first, maxStep: $end, samples: 100000) } } }"""
FILES = """query Files($entity: String!, $project: String!, $run: String!) {
    project(entityName: $entity, name: $project) { run(name: $run) {
    files(first: 100000) { edges { node { name sizeBytes directUrl } } } } } }"""


@dataclass
class Imported:
    """A run that is to be stored.

    Attributes:
        name: Its id.
        label: What it is called.
        config: Its config.
        tags: Its tags.
        values: What else the client says of a run, by its name there (`notes`, `groupName`, `commit`, …).
        began: When it began, in seconds.
        ended: When it was last heard of, in seconds.
        state: `finished`, `failed`, or nothing if it goes on.
        summary: Its summary; without one, the last value of every key.
    """

    name: str
    label: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None
    state: str = "finished"
    summary: Mapping[str, Any] | None = None


class Remote:
    """A tracker that listens somewhere."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self.key = key

    def store(self, entity: str, project: str, run: Imported, rows: Sequence[Mapping[str, Any]], files: Mapping[str, Path | bytes]) -> None:
        """Store a run with its rows, each with `_step`, and its files. Doing it again changes nothing.

        Raises:
            UsageError: The tracker refuses it, or can't be reached.
        """
        config = json.dumps({key: {"value": value} for key, value in run.config.items()})
        given = {"entityName": entity, "modelName": project, "name": run.name, "displayName": run.label or None, "config": config}
        times = {key: time for key, time in (("createdAt", run.began), ("heartbeatAt", run.ended)) if time is not None}
        self.graphql(UPSERT, input={**given, "tags": [*run.tags], **run.values})
        path = f"/files/{quote(entity, safe='')}/{quote(project, safe='')}/{quote(run.name, safe='')}/file_stream"
        for begin in range(0, len(rows), BATCH):
            lines = [json.dumps(finite(dict(row))) for row in rows[begin : begin + BATCH]]
            self._post(path, {"files": {"wandb-history.jsonl": {"offset": begin, "content": lines}}})
        last: dict[str, Any] = {}
        for row in rows if run.summary is None else ():
            last |= row
        body: dict[str, Any] = {"files": {"wandb-summary.json": {"offset": 0, "content": [json.dumps(finite(run.summary or last))]}}}
        if run.state:
            body |= {"complete": True, "exitcode": 0 if run.state == "finished" else 1}
        self._post(path, body)
        for name, content in files.items():
            self.upload(entity, project, run.name, name, content)
        if times:
            self.graphql(UPSERT, input={"entityName": entity, "modelName": project, "name": run.name, **times})

    def upload(self, entity: str, project: str, run: str, name: str, content: Path | bytes) -> None:
        """Store a file of a run."""
        found = self.graphql(LINKS, input={"entityName": entity, "projectName": project, "runName": run, "files": [name]})
        target = urlsplit(found["createRunFiles"]["files"][0]["uploadUrl"])
        if isinstance(content, bytes):
            self._ask("PUT", target.path, content)
            return
        with content.open("rb") as file:
            self._ask("PUT", target.path, file, length=content.stat().st_size)

    def runs(self, entity: str, project: str) -> Iterator[dict[str, Any]]:
        """The runs of a project, in their order.

        Raises:
            UsageError: There is no such project.
        """
        after = None
        while True:
            found = self.graphql(RUNS, entity=entity, project=project, after=after)["project"]
            if found is None:
                raise UsageError(f"{entity}/{project}: the tracker has no such project")
            for edge in found["runs"]["edges"]:
                node = edge["node"]
                config = {key: each.get("value") for key, each in json.loads(node["config"]).items() if isinstance(each, dict)}
                yield node | {"config": config, "summary": json.loads(node["summaryMetrics"])}
            if not found["runs"]["pageInfo"]["hasNextPage"]:
                return
            after = found["runs"]["pageInfo"]["endCursor"]

    def rows(self, entity: str, project: str, run: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a run by step."""
        last = run["historyKeys"]["lastStep"]
        for first in range(0, last + 1, BATCH):
            found = self.graphql(ROWS, entity=entity, project=project, run=run["name"], first=first, end=first + BATCH)
            for line in found["project"]["run"]["history"]:
                yield json.loads(line)

    def files(self, entity: str, project: str, run: str) -> dict[str, str]:
        """The files of a run by name, each with the path at which it is had."""
        edges = self.graphql(FILES, entity=entity, project=project, run=run)["project"]["run"]["files"]["edges"]
        return {edge["node"]["name"]: urlsplit(edge["node"]["directUrl"]).path for edge in edges}

    def download(self, path: str, target: Path) -> None:
        """Write a file to some place."""
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._ask("GET", path))

    def verdict(self, entity: str, project: str, text: bytes, runs: Sequence[str] = ()) -> dict[str, Any]:
        """Keep a verdict of the gate."""
        path = f"/verdicts/{quote(entity, safe='')}/{quote(project, safe='')}?{urlencode([('run', run) for run in runs])}"
        found: dict[str, Any] = json.loads(self._ask("POST", path, text))
        return found

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer."""
        found = json.loads(self._ask("POST", "/graphql", json.dumps({"query": query, "variables": variables}).encode()))
        data: dict[str, Any] = found["data"]
        return data

    def _post(self, path: str, body: Any) -> None:
        self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: Any = None, length: int | None = None) -> bytes:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=300)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        headers |= {} if length is None else {"Content-Length": str(length)}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError as error:
            raise UsageError(f"{self.url}: no tracker answers there: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise UsageError(f"the tracker refuses this ({answer.status}): {_reason(content)}")
        return content


def _reason(content: bytes) -> str:
    try:
        found = json.loads(content)
        return str(found.get("error") or "; ".join(error["message"] for error in found["errors"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return content[:200].decode(errors="replace")


@contextmanager
def reach(folder: Path, url: str | None = None) -> Iterator[Remote]:
    """Give the tracker at an address, or the one that works on a folder.

    If there is none, one is started for the duration of the block.

    Raises:
        UsageError: It can't be reached or started.
    """
    if url is not None:
        key = os.environ.get("WANDB_API_KEY", "")
        if not key:
            raise UsageError(f"{url}: set WANDB_API_KEY to the key of that tracker")
        yield Remote(url, key)
    elif _in_use(folder):
        try:
            yield Remote((folder / "address").read_text().strip(), (folder / "api_key").read_text().strip())
        except FileNotFoundError as error:
            raise UsageError(f"{folder}: the tracker that works on it does not say where it listens; give --url") from error
    else:
        with running(folder) as tracker:
            yield Remote(tracker.url, tracker.api_key)


def _in_use(folder: Path) -> bool:
    try:
        with (folder / "lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
