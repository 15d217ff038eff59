"""What a client was told of its files and artifacts, read from the calls and answers that go by."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import urlsplit

OPERATION = re.compile(r"\bmutation\s+(\w+)")
UPLOAD = "/storage/"


class Acknowledged:
    """Files and artifacts that a tracker answered 200 for.

    Attributes:
        files: Of files that runs saved, by run and name: the SHA-256 of what was sent.
        artifacts: The runs of artifacts that are complete, by the artifacts' ids.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], str] = {}
        self.artifacts: dict[str, str] = {}
        self._places: dict[str, tuple[str, str | None]] = {}  # where to send what: path -> run, and the name of a file of the run
        self._runs: dict[str, str] = {}  # artifacts of which not all is sent

    def run_of(self, path: str, body: bytes) -> str | None:
        """The run whose file or artifact a call is about, if it is to store some of it."""
        if path.startswith(UPLOAD):
            return self._places.get(path, (None, None))[0]
        name, variables = _operation(path, body)
        return self._runs.get(variables.get("artifactID", "")) if name == "CommitArtifact" else None

    def note(self, path: str, body: bytes, answer: bytes) -> None:
        """Take in a call that was answered with 200."""
        if path in self._places:
            run, file = self._places[path]
            if file is not None:
                self.files[run, file] = hashlib.sha256(body).hexdigest()
            return
        name, variables = _operation(path, body)
        if not name:
            return
        said = json.loads(answer)["data"]
        if name == "CreateRunFiles":
            for file in said["createRunFiles"]["files"]:
                self._places[urlsplit(file["uploadUrl"]).path] = (variables["run"], file["name"])
        elif name == "CreateArtifact":
            artifact, run = said["createArtifact"]["artifact"], variables["input"]["runName"]
            if artifact["state"] == "COMMITTED":
                self.artifacts[artifact["id"]] = run
            self._runs[artifact["id"]] = run
        elif name == "CreateArtifactFiles":
            for edge in said["createArtifactFiles"]["files"]["edges"]:
                self._places[urlsplit(edge["node"]["uploadUrl"]).path] = (self._runs[edge["node"]["artifact"]["id"]], None)
        elif name == "CommitArtifact":
            self.artifacts[variables["artifactID"]] = self._runs[variables["artifactID"]]


def _operation(path: str, body: bytes) -> tuple[str, dict[str, Any]]:
    if path != "/graphql":
        return "", {}
    asked = json.loads(body)
    found = OPERATION.search(asked["query"])
    return (found[1] if found else ""), asked.get("variables") or {}
