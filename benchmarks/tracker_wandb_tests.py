"""W&B's own system tests, pointed at the tracker.

    uv run python -m benchmarks.tracker_wandb_tests FOLDER --python PYTHON [--output TABLE.md] [-k EXPRESSION] [PATH ...]

FOLDER is a checkout of the public repository `wandb/wandb`, outside of this one; PYTHON is that of an environment with a wandb
client of about the same age and what `requirements/requirements_test.txt` of that repository lists. The tests expect a server
with many users: each user gets a tracker of its own here, behind one address. What prepares users, teams and organizations
there is answered with "done".

The table says for every file how many tests passed, failed, and could not be used, and why.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gonogo.tracker.app import application
from gonogo.tracker.service import Service
from gonogo.tracker.settings import Settings

# Folders of tests that need something else than a server for runs, with what they need.
UNUSABLE = {
    "test_launch": "launch: queues, Docker, Kubernetes and clouds",
    "test_notebooks": "Jupyter",
    "test_functional": "TensorFlow, Keras, Torch and other packages of gigabytes",
    "test_automations": "automations",
    "test_sandbox": "sandboxes of the cloud",
    "test_experimental": "other languages",
}
# What a test says that can't pass, and what it would need. Looked for in this order.
REASONS = (
    (r"(Automation|automation|Integration)", "automations"),
    (r"(Launch|launch|RunQueue|run_queue|Job)", "launch"),
    (r"(CustomChart|custom_chart)", "charts of one's own on the server"),
    (
        r"(service_account|ServiceAccount|ApiKey|api_key|invite|CreateTeam|create_team|create_user|updateUser|'users')",
        "users, teams and keys",
    ),
    (r"(Member|member|role)", "members of teams"),
    (r"storage region", "storage regions"),
)
# What the place lacks where the tests run, as their whole output tells.
PLACE = (
    (r"No module named|ModuleNotFoundError", "a package that is not installed"),
    (r"Failed to resolve|NameResolutionError|Name or service not known|Temporary failure in name resolution", "the internet"),
)
STUB = """import json, os
print(json.dumps({"base_port": int(os.environ["GONOGO_BASE"]), "fixture_port": int(os.environ["GONOGO_FIXTURES"])}))
"""


class Backend:
    """One address for many users, each with a tracker of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.users: set[str] = set()
        self._known: dict[str, tuple[Service, ASGIApp]] = {}
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        user = _user(dict(scope["headers"]).get(b"authorization", b"").decode())
        token = scope["path"].split("/")[2] if scope["path"].startswith("/storage/") else None
        service, app = self._of_token(token, scope["method"]) if token else self._of(user if user in self.users else "")
        given = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        if user in self.users:  # a key is its user's name; any other is wrong
            given.append((b"authorization", f"Bearer {service.credentials.key}".encode()))
        await app({**scope, "headers": given}, receive, send)

    async def prepare(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note that there is a user, and say that a team or an organization is there."""
        if scope["type"] == "http":
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), bool(message.get("more_body"))
            name = json.loads(body or b"{}").get("username")
            self.users |= {_named(name)} if isinstance(name, str) else set()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": b"{}"})

    def close(self) -> None:
        for service, _ in self._known.values():
            service.store.close()

    def _of(self, user: str) -> tuple[Service, ASGIApp]:
        with self._lock:
            if user not in self._known:
                service = Service(Settings(self._folder / (user or "nobody"), entity=user or "nobody"))
                self._known[user] = service, application(service)
            return self._known[user]

    def _of_token(self, token: str, method: str) -> tuple[Service, ASGIApp]:
        for service, app in [*self._known.values()]:
            if service.credentials.signed(token, method, service.settings.link_lifetime) is not None:
                return service, app
        return self._of("")


def _user(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    try:
        key = base64.b64decode(rest).decode().partition(":")[2] if scheme.lower() == "basic" else rest
    except ValueError:
        return ""
    return _named(key)


def _named(key: str) -> str:
    return re.sub(r"[^\w-]", "_", key)[:80]


@contextmanager
def serving(*apps: ASGIApp) -> Iterator[list[int]]:
    """Serve some applications; their ports."""
    with tempfile.TemporaryDirectory():
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in apps]
        servers = [
            uvicorn.Server(uvicorn.Config(app, interface="asgi3", ws="none", lifespan="off", log_level="error", access_log=False))
            for app in apps
        ]
        threads = [
            threading.Thread(target=lambda server=server, listener=listener: asyncio.run(server.serve(sockets=[listener])))
            for server, listener in zip(servers, listeners, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            yield [listener.getsockname()[1] for listener in listeners]
        finally:
            for server, thread in zip(servers, threads, strict=True):
                server.should_exit = True
                thread.join()


def run(source: Path, python: Path, paths: Sequence[str], expression: str | None, processes: int) -> Path:
    """Run the tests; the report, in JUnit's format."""
    scratch = Path(tempfile.mkdtemp(prefix="gonogo-wandb-tests-"))
    shutil.copytree(source / "tests", scratch / "tests", symlinks=True)
    shutil.copy(source / "pyproject.toml", scratch)
    (scratch / "tools").mkdir()
    (scratch / "tools/local_wandb_server.py").write_text(STUB)
    backend = Backend(scratch / "data")
    with serving(backend, backend.prepare) as (base, fixtures):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "PYTHON", "VIRTUAL_ENV"))}
        environment |= {"GONOGO_BASE": str(base), "GONOGO_FIXTURES": str(fixtures), "PATH": f"{python.parent}:{os.environ['PATH']}"}
        command = [
            str(python),
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-q",
            "-n",
            str(processes),
            "--timeout=90",
            "--no-cov",
            "-W",
            "ignore",
        ]
        command += ["--junitxml=report.xml", "-o", "addopts=", *paths]
        command += ["-k", expression] if expression else []
        with (scratch / "log").open("w") as log:
            subprocess.run(command, cwd=scratch, env=environment, stdout=log, stderr=log, check=False)
    backend.close()
    print(f"log: {scratch / 'log'}", file=sys.stderr)
    return scratch / "report.xml"


def outcomes(report: Path) -> dict[str, list[tuple[str, str, str]]]:
    """By file: the tests with how they ended (`passed`, `failed`, `unusable`) and why."""
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for case in ET.parse(report).iter("testcase"):
        place = case.get("classname") or case.get("name", "")  # a file that can't be imported has its name only
        file = place.removeprefix("tests.system_tests.").replace(".", "/")
        bad = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        if bad is None:
            found[file].append((case.get("name", ""), "passed", ""))
            continue
        text = f"{bad.get('message', '')}\n{bad.text or ''}"
        if bad.tag == "skipped":
            found[file].append((case.get("name", ""), "unusable", f"skips itself: {_first(bad.get('message', ''))}"))
            continue
        reason = _lacks(text)
        kind = "unusable" if reason else "failed"
        found[file].append((case.get("name", ""), kind, f"needs {reason}" if reason else _first(bad.get("message", ""))))
    return found


def _lacks(text: str) -> str | None:
    """What a test would need that neither the tracker nor this place has, as far as its output says so."""
    refused = " ".join(re.findall(r"(?:not supported by gonogo's tracker: |there is no storage region)[^\n]{0,200}", text))
    for patterns, said in ((REASONS, refused), (PLACE, text)):
        for pattern, what in patterns:
            if said and re.search(pattern, said):
                return what
    return None


def _first(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip())[:160]


def table(found: dict[str, list[tuple[str, str, str]]]) -> str:
    """The outcomes as Markdown: a row a file, then every failure."""
    lines = ["| file | passed | failed | not usable | why not usable |", "|---|---|---|---|---|"]
    total: Counter[str] = Counter()
    for file, tests in sorted(found.items()):
        counts = Counter(kind for _, kind, _ in tests)
        total.update(counts)
        why = Counter(reason for _, kind, reason in tests if kind == "unusable")
        reasons = "; ".join(f"{reason} ({count})" for reason, count in why.most_common(4))
        lines.append(f"| {file} | {counts['passed']} | {counts['failed']} | {counts['unusable']} | {reasons} |")
    lines += [f"| {folder}/ | | | all | needs {reason} |" for folder, reason in UNUSABLE.items()]
    lines.append(f"| **together** | **{total['passed']}** | **{total['failed']}** | **{total['unusable']}** | |")
    failures = [
        f"- `{file}::{name}`: {reason}" for file, tests in sorted(found.items()) for name, kind, reason in tests if kind == "failed"
    ]
    return "\n".join([*lines, "", *failures]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("paths", nargs="*", help="files or folders below tests/system_tests; by default all that can be used")
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--json", type=Path, help="also write every test with its outcome there")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("-k", dest="expression")
    asked = parser.parse_intermixed_args()
    tests = asked.folder / "tests/system_tests"
    usable = [path.name for path in sorted(tests.iterdir()) if path.name.startswith("test_") and path.name not in UNUSABLE]
    paths = [f"tests/system_tests/{path}" for path in asked.paths or usable]
    found = outcomes(run(asked.folder.resolve(), asked.python.absolute(), paths, asked.expression, asked.processes))
    text = table(found)
    if asked.output:
        asked.output.write_text(text)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    print(text)


if __name__ == "__main__":
    main()
