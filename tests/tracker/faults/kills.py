"""Kills client, server or both with SIGKILL at random moments, again and again in one data folder, and counts what is lost and what is doubled.

In `tests/tracker`: `uv run python -m faults.kills --kills 50 --seed 1`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from faults import train
from faults.forwarder import MOMENTS, Forwarder
from gonogo.tracker import Tracker, running

HERE = Path(__file__).parent
WHO = ("client", "server", "both")
WHAT = ("rows", "upload")  # what the call has at whose moment they are killed
# What makes a client send soon, and try again soon. It ignores parts of a second.
QUICK = {
    "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "1",
    "WANDB__FILE_STREAM_RETRY_WAIT_MIN_SECONDS": "1",
    "WANDB__FILE_STREAM_RETRY_WAIT_MAX_SECONDS": "1",
    "WANDB__FILE_TRANSFER_RETRY_WAIT_MIN_SECONDS": "1",
    "WANDB__FILE_TRANSFER_RETRY_WAIT_MAX_SECONDS": "1",
    "WANDB__GRAPHQL_RETRY_WAIT_MIN_SECONDS": "1",
    "WANDB__GRAPHQL_RETRY_WAIT_MAX_SECONDS": "1",
}
LINES = """query Lines($project: String!, $entity: String!) { project(name: $project, entityName: $entity) { runs(first: 10000) { edges { node {
    name state historyLineCount history(minStep: 0, maxStep: 1000000000, samples: 1000000) } } } } }"""


@dataclass
class Kill:
    """One kill and what was found after the restart."""

    number: int
    who: str
    what: str
    moment: str
    run: str
    row: int
    told: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    file: str = "-"


@dataclass
class Outcome:
    """All kills, and what was found at the end.

    `files` and `artifacts` are what the clients were told is stored, as `Acknowledged` has them.
    """

    kills: list[Kill] = field(default_factory=list)
    runs: dict[str, Any] = field(default_factory=dict)
    told: dict[str, dict[int, str]] = field(default_factory=dict)
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    seconds: float = 0.0


class Client:
    """A training script in a process of its own, that can be killed and started again."""

    def __init__(self, run: str, rows: int, folder: Path, environment: dict[str, str], rate: float = 60.0) -> None:
        self.run, self.rows, self.folder, self.hurry = run, rows, folder, folder / "hurry"
        self._rate = rate
        self._progress = folder / f"{run}.progress"
        self._environment = {**os.environ, **environment, **QUICK}
        self.start()

    def start(self) -> None:
        """Start it; a run that is there is resumed."""
        self.started = time.monotonic()
        command = [sys.executable, str(HERE / "train.py"), self.run, str(self.rows), str(self._rate), str(self._progress), str(self.hurry)]
        with (self.folder / f"{self.run}.log").open("a") as log:
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log, cwd=self.folder)

    def kill(self) -> None:
        """Kill it, and the process with which it sends."""
        try:
            own = psutil.Process(self.process.pid)
            both = [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            both = []
        for process in random.sample(both, len(both)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def row(self) -> int:
        """The step that was logged last, or -1."""
        return int(self._progress.read_text() or -1) if self._progress.exists() else -1

    def said(self) -> str:
        """What it printed."""
        return (self.folder / f"{self.run}.log").read_text()


def ask(tracker: Tracker, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The answer of a tracker to a GraphQL query."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Authorization": f"Bearer {tracker.api_key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{tracker.url}/graphql", body, headers), timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)["data"]
    return found


def stored_rows(tracker: Tracker) -> dict[str, tuple[int, list[str]]]:
    """What a tracker has of every run: how many rows it says, and their lines."""
    project = ask(tracker, LINES, {"project": train.PROJECT, "entity": train.ENTITY})["project"]
    nodes = [edge["node"] for edge in project["runs"]["edges"]] if project else []
    return {node["name"]: (node["historyLineCount"], node["history"]) for node in nodes}


def integrity(folder: Path) -> str:
    """What SQLite says of a copy of a data folder's file, as the killed server left it."""
    with tempfile.TemporaryDirectory() as place:
        for path in folder.glob("tracker.sqlite3*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, place)
        with closing(sqlite3.connect(Path(place, "tracker.sqlite3"))) as connection:
            (found,) = connection.execute("PRAGMA integrity_check").fetchone()
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
            return str(found) if not broken else f"foreign keys: {broken[:3]}"


def readback(tracker: Tracker, folder: Path) -> dict[str, Any]:
    """What `wandb.Api()` says of every run."""
    command = [sys.executable, str(HERE / "readback.py"), f"{train.ENTITY}/{train.PROJECT}"]
    environment = {**os.environ, **tracker.environment(folder)}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Bench:
    """A server, a forwarder, some clients, and who kills them."""

    def __init__(self, folder: Path, seed: int, rows: int, at_once: int) -> None:
        self._random = random.Random(seed)
        self._folder, self._rows, self._at_once = folder, rows, at_once
        self._place = folder / "clients"
        self._place.mkdir()
        self._server = ExitStack()
        self._clients: list[Client] = []
        self._runs = 0
        self.outcome = Outcome()

    def work(self, kills: int) -> Outcome:
        """Kill so many times, let all runs end, and read everything back."""
        begin = time.monotonic()
        try:
            self._start_server(0)
            with Forwarder(int(self._tracker.url.rpartition(":")[2])) as self._forwarder:
                for number in range(1, kills + 1):
                    self.outcome.kills.append(self._kill(number))
                (self._place / "hurry").touch()
                for client in self._clients:
                    self.outcome.ended.append(client.process.wait(120))
                self.outcome.runs = readback(self._tracker, self._place)
                self.outcome.told = self._forwarder.snapshot()
                self.outcome.files, self.outcome.artifacts = self._forwarder.acknowledged.files, self._forwarder.acknowledged.artifacts
                self.outcome.statuses = dict(self._forwarder.statuses)
                self.outcome.failures = self._forwarder.failures
                self.outcome.contradictions = self._forwarder.contradictions
        finally:
            for client in self._clients:
                client.kill()
            self._server.close()
        self.outcome.seconds = time.monotonic() - begin
        return self.outcome

    def _start_server(self, port: int) -> None:
        self._server.close()
        self._tracker = self._server.enter_context(running(self._folder / "data", port=port))

    def _top_up(self) -> list[Client]:
        """As many clients as there shall be at once: for one whose run has ended, a new one."""
        for client in [*self._clients]:
            if client.process.poll() is not None:
                self.outcome.ended.append(client.process.returncode)
                self._clients.remove(client)
        while len(self._clients) < self._at_once:
            self._runs += 1
            environment = self._tracker.environment(self._place) | {"WANDB_BASE_URL": self._forwarder.url}
            self._clients.append(Client(f"run-{self._runs:02}", self._rows, self._place, environment))
        return self._clients

    def _kill(self, number: int) -> Kill:
        who, what, moment = self._random.choice(WHO), self._random.choice(WHAT), self._random.choice([*MOMENTS, "any time"])
        clients = self._top_up()
        sending = [client for client in clients if client.row() < self._rows - 1] or clients
        # One that is only just starting sends no rows yet: its turn is at any time.
        victim = self._random.choice(clients) if moment == "any time" else min(sending, key=lambda client: client.started)
        kill = Kill(number, who, "-" if moment == "any time" else what, moment, victim.run, -1)
        struck = threading.Event()

        def strike() -> None:
            kill.row = victim.row()
            targets = {"client": victim.kill, "server": self._kill_server}
            for target in self._random.sample(sorted(targets), 2) if who == "both" else [who]:
                targets[target]()
            struck.set()

        if moment != "any time":
            self._forwarder.arm(victim.run, moment, what == "upload", strike)
            until = time.monotonic() + 6
            while not struck.wait(0.1) and victim.process.poll() is None and time.monotonic() < until:
                pass
            self._forwarder.disarm()
        if not struck.is_set() and moment != "any time" and not struck.wait(1):
            kill.moment = "silent"  # the run sent no rows for a while: it was starting, ending, or about to try again
            strike()
        elif moment == "any time":
            time.sleep(self._random.uniform(0.05, 2.5))
            strike()
        told = self._forwarder.snapshot()
        if who != "client":
            kill.file = integrity(self._folder / "data")
            self._start_server(int(self._tracker.url.rpartition(":")[2]))
        if who != "server":
            victim.start()
        self._count(kill, told)
        return kill

    def _kill_server(self) -> None:
        self._tracker.process.send_signal(signal.SIGKILL)
        self._tracker.process.wait()

    def _count(self, kill: Kill, told: dict[str, dict[int, str]]) -> None:
        """Compare what the clients had been told with what the server, started again, gives to those who ask."""
        stored = stored_rows(self._tracker)
        kill.told, kill.stored = len(told.get(kill.run, ())), len(stored.get(kill.run, (0, []))[1])
        for run, (count, lines) in stored.items():
            there = {json.loads(line)["_step"]: line for line in lines}
            kill.lost += sum(there.get(step) != line for step, line in told.pop(run, {}).items())
            kill.doubled += len(lines) - len(there) + max(0, count - len(lines))
        kill.lost += sum(map(len, told.values()))


def table(kills: list[Kill]) -> str:
    """The kills as a table."""
    head = ("kill", "who", "call", "moment", "run", "at row", "told stored", "there after", "lost", "doubled", "file")
    rows = [
        (k.number, k.who, k.what, k.moment, k.run, k.row if k.row >= 0 else "start", k.told, k.stored, k.lost, k.doubled, k.file)
        for k in kills
    ]
    texts = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in texts]
    return "\n".join(f"| {line} |" for line in [lines[0], " | ".join("-" * width for width in widths), *lines[1:]])


def wrong(outcome: Outcome, rows: int) -> list[str]:
    """What is not as it must be after all runs have ended; nothing, that is."""
    found = [f"kill {k.number}: {k.lost} lost, {k.doubled} doubled, file: {k.file}" for k in outcome.kills if k.lost or k.doubled]
    found += [f"kill {k.number}: {k.file}" for k in outcome.kills if k.file not in ("ok", "-")]
    found += [f"a client ended with exit code {code}" for code in outcome.ended if code]
    found += outcome.failures + outcome.contradictions
    for run in outcome.told.keys() | outcome.runs.keys():
        now = outcome.runs.get(run)
        if now is None:
            found.append(f"{run}: gone")
            continue
        if now["state"] != "finished" or now["count"] != rows:
            found.append(f"{run}: {now['state']} with {now['count']} rows of {rows}")
        if now["rows"] != [{"_step": step} | train.row(step) for step in range(rows)]:
            found.append(f"{run}: its rows are not those that were logged")
    return found + uploads_wrong(outcome)


def uploads_wrong(outcome: Outcome) -> list[str]:
    """What is lost or doubled of the files and artifacts that the clients were told are stored."""
    found = []
    for (run, name), digest in outcome.files.items():
        if name.startswith(run) and outcome.runs.get(run, {}).get("files", {}).get(name) != digest:
            found.append(f"{run}: its file {name} is lost, or not as it was sent")
    for artifact, run in outcome.artifacts.items():
        if artifact not in outcome.runs.get(run, {}).get("artifacts", {}):
            found.append(f"{run}: its artifact {artifact} is lost")
    for run, now in outcome.runs.items():
        steps = [step for step, _ in now["artifacts"].values()]
        found += [f"{run}: its artifact of step {step} is there {count} times" for step, count in Counter(steps).items() if count > 1]
        if any(text != train.content(run, step) for step, text in now["artifacts"].values()):
            found.append(f"{run}: its artifacts are not as they were logged")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill client, server or both at random moments and count what is lost or doubled.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=600, help="of each run")
    parser.add_argument("--at-once", type=int, default=3, help="clients that run at the same time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gonogo-kills-") as place:
        outcome = Bench(Path(place), asked.seed, asked.rows, asked.at_once).work(asked.kills)
    print(table(outcome.kills))
    told, saved = sum(map(len, outcome.told.values())), sum(name.startswith(run) for run, name in outcome.files)
    print(f"\n{len(outcome.kills)} kills, {len(outcome.runs)} runs, {outcome.seconds:.0f} s, {outcome.statuses}")
    print(f"told stored: {told} rows, {saved} saved files, {len(outcome.artifacts)} artifacts")
    problems = wrong(outcome, asked.rows)
    print(
        "\n".join(problems)
        or f"every run finished with the steps 0 to {asked.rows - 1}, each once, and all files and artifacts are there, as they were logged"
    )
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
