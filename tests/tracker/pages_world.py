"""A tracker with runs in it, served for real, for the tests of its pages."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import socket
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn

from gonogo.tracker.app import application
from gonogo.tracker.service import Service
from gonogo.tracker.settings import Settings
from gonogo.tracker.store.artifacts import Draft
from gonogo.tracker.store.history import Chunk

EVIL = "<script>alert(1)</script>"
EVIL_NAME = f'{EVIL}"><img src=x onerror=alert(2)>'
EVIL_ID = 'a b (c) ünï "q" + <i>&amp;'


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@dataclass
class World:
    service: Service
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        return self.service.credentials.key

    @property
    def once(self) -> str:
        return self.service.credentials.once()

    def ask(self, path: str, method: str = "GET", body: dict[str, str] | None = None, known: bool = True, **headers: str) -> Answer:
        """Ask as a browser that shows its cookie but follows no redirect."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        if known:
            sent["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request(method, path, urlencode(body) if body is not None else None, sent | headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


@contextmanager
def world(folder: Path, seeded: bool = True) -> Iterator[World]:
    """A tracker on some free port."""
    service = Service(Settings(folder))
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        if seeded:
            seed(service)
        server = uvicorn.Server(uvicorn.Config(application(service), http="httptools", ws="none", lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield World(service, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)
    finally:
        listener.close()
        service.store.close()


def add_run(service: Service, project: str, name: str, config: dict[str, Any], rows: list[dict[str, Any]], **values: Any) -> int:
    """A run that logged some rows."""
    store = service.store
    of = store.runs.make_project("local", project)
    wrapped = json.dumps({key: {"value": value} for key, value in config.items()})
    number, _ = store.runs.upsert(of["id"], name, {"config": wrapped} | values)
    times = [{"_step": step, "_runtime": step * 0.5, "_timestamp": 1.7e9 + step * 0.5} for step in range(len(rows))]
    lines = [json.dumps(row | time) for row, time in zip(rows, times, strict=True)]
    summary: dict[str, Any] = {}
    for line in lines:
        summary |= json.loads(line)
    store.history.store(number, Chunk(rows=lines, summary=json.dumps(summary), complete=True, exit_code=0))
    return number


def add_file(service: Service, name: str, content: bytes, **owner: int) -> None:
    """A file of a run or an artifact."""

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    file = service.store.files.expect(name=name, md5=None, **owner)
    asyncio.run(service.store.files.receive(file, chunks(), len(content), 1 << 20))


def seed(service: Service) -> None:
    """Six ordinary runs, and one whose every text is an attack."""
    for index in range(6):
        lr = [0.1, 0.01, 0.001][index % 3]
        rows: list[dict[str, Any]] = [{"train/loss": math.exp(-step * lr), "lr": lr} for step in range(300)]
        for step in range(0, 300, 50):
            rows[step]["val/acc"] = 1 - math.exp(-step * lr) / 2
        rows[7]["train/loss"] = float("nan")
        rows[8]["train/loss"] = float("inf")
        run = add_run(
            service,
            "mnist",
            f"run{index}",
            {"lr": lr, "seed": index, "model": {"hidden": [256, 128], "dropout": 0.1}},
            rows,
            display_name=f"mlp number {index}",
            tags=["baseline", f"tag{index}"],
            run_group=f"lr-{lr}",
            program="train.py",
            host="machine",
        )
        lines = [f"2026-01-01T00:00:{number % 60:02d}.000000 step {number}" for number in range(700)]
        events = [json.dumps({"system.cpu": number, "_timestamp": 1.7e9 + number, "_runtime": number}) for number in range(40)]
        service.store.history.store(
            run, Chunk(lines={"output.log": (0, lines), "wandb-events.jsonl": (0, events)}, complete=True, exit_code=0)
        )
        if index == 0:
            _add_media(service, run)
        if index == 1:
            _add_logged(service, run)
    service.store.verdicts.add(
        service.store.runs.make_project("local", "mnist")["id"], json.dumps(verdict("gonogo", ["run0", "run1", "missing"]))
    )
    _add_evil(service)


def verdict(text: str, runs: list[str]) -> dict[str, Any]:
    """A verdict as the gate writes it."""
    finding = {
        "rule": "HYD104",
        "severity": "error",
        "certainty": "proven",
        "message": text,
        "action": text,
        "location": {"path": text, "line": 3},
    }
    more = {"contract": "trial-mode", "gonogo_version": "1", "undecided": [text], "experiment": text}
    return {"is_code_ready": False, "outcome": "NO-GO", "runs": runs, "findings": [finding], **more}


def _add_logged(service: Service, run: int) -> None:
    """Histograms, pictures and tables, logged under their keys at several steps."""
    for at in range(12):
        step = 300 + at
        counts = [round(1000 * math.exp(-((bin - 4 - at) ** 2) / 8)) for bin in range(24)]
        packed = {"min": -1.0, "size": 0.1, "count": 24}
        row: dict[str, Any] = {
            "weights": {"_type": "histogram", "values": counts, "bins": [bin / 10 - 1 for bin in range(25)]},
            "layer": {"gradients": {"_type": "histogram", "values": counts, "packedBins": packed}},
            "sample": {"_type": "image-file", "path": f"media/images/sample_{step}.png", "caption": f"after {step}"},
            "grid": {
                "_type": "images/separated",
                "filenames": [f"media/images/sample_{step}.png"] * 2,
                "captions": ["left", "right"],
                "count": 2,
            },
        }
        add_file(service, f"media/images/sample_{step}.png", png((at * 20, 80, 255 - at * 20), 48), run=run)
        if at % 4 == 0:
            name = f"media/table/predictions_{step}_abc.table.json"
            data = [[number, f"image {number}", (number * 37 % 100) / 100, "cat" if number % 3 else "dog"] for number in range(150)]
            add_file(service, name, json.dumps({"columns": ["id", "text", "score", "class"], "data": data}).encode(), run=run)
            row["predictions"] = {"_type": "table-file", "path": name, "ncols": 4, "nrows": 150}
        times = {"_step": step, "_runtime": step * 0.5, "_timestamp": 1.7e9 + step * 0.5}
        service.store.history.store(run, Chunk(rows=[json.dumps(row | times)], first_row=step, complete=True, exit_code=0))


def _add_media(service: Service, run: int) -> None:
    confusion = [[actual, predicted, 90 if actual == predicted else 5] for actual in "abc" for predicted in "abc"]
    table = {"columns": ["Actual", "Predicted", "nPredictions"], "data": confusion}
    add_file(service, "media/table/confusion_table_1.table.json", json.dumps(table).encode(), run=run)
    long = {"columns": ["id", "text"], "data": [[number, f"row {number}"] for number in range(250)]}
    add_file(service, "media/table/long_2.table.json", json.dumps(long).encode(), run=run)
    add_file(service, "media/table/broken_3.table.json", b"[", run=run)
    add_file(service, "media/images/picture.png", png(), run=run)
    add_file(service, "media/images/attack.png", f"<svg>{EVIL}</svg>".encode(), run=run)
    add_file(service, "sub folder/ünï & co.txt", b"content", run=run)
    row = service.store.runs.get(run, "summary")
    assert row is not None
    summary = json.loads(row["summary"])
    summary["picture"] = {"_type": "image-file", "path": "media/images/picture.png", "caption": EVIL}
    service.store.runs.update(run, {"summary": json.dumps(summary)})
    artifacts = service.store.artifacts
    project = service.store.runs.make_project("local", "mnist")["id"]
    made = artifacts.create(project, Draft("model", "weights", "digest", run=run))
    add_file(service, "weights.bin", b"12345", artifact=made["id"])
    manifest = artifacts.make_manifest(made["id"], "FULL", "digest")
    add_file(service, "manifest", json.dumps({"contents": {"weights.bin": {"size": 5}}}).encode(), manifest=manifest)
    artifacts.commit(made["id"])


def _add_evil(service: Service) -> None:
    run = add_run(
        service,
        "evil",
        EVIL_ID,
        {EVIL: EVIL, "nested": {EVIL: [EVIL]}, "long": "z" * 100_000},
        [{f"{EVIL}/loss": 1.0, "a&b<c": step, "ünï": step, "</script><b>": step} for step in range(20)],
        display_name=EVIL_NAME,
        tags=[EVIL],
        run_group=EVIL,
        notes=EVIL,
        program=EVIL,
        host=EVIL,
    )
    service.store.history.store(run, Chunk(lines={"output.log": (0, [f"\x1b[31m{EVIL}\x1b[0m"])}, complete=True, exit_code=1))
    table = {"columns": [EVIL, "Actual", "Predicted", "nPredictions"], "data": [[EVIL, EVIL, "x'\"", 1]]}
    name = f"media/table/{EVIL}.table.json"
    add_file(service, name, json.dumps(table).encode(), run=run)
    row: dict[str, Any] = {
        f"{EVIL} histogram": {"_type": "histogram", "values": [1], "bins": [0, 1]},
        f"{EVIL} table": {"_type": "table-file", "path": name},
        f"{EVIL} picture": {"_type": "images", "filenames": [EVIL, None, 3], "captions": [EVIL]},
        "broken histogram": {"_type": "histogram", "values": [1, "x"], "bins": 3},
        "broken picture": {"_type": "images", "filenames": 3},
    }
    rows = [json.dumps(row | {"_step": step, "_timestamp": 1.8e9 + step}) for step in (20, 21)]
    service.store.history.store(run, Chunk(rows=rows, first_row=20, complete=True, exit_code=1))
    service.store.verdicts.add(service.store.runs.make_project("local", "evil")["id"], json.dumps(verdict(EVIL, [EVIL_ID, EVIL])))


def png(colour: tuple[int, int, int] = (255, 0, 0), size: int = 1) -> bytes:
    """A picture of one colour."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    pixels = (b"\0" + bytes(colour) * size) * size
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(pixels)) + part(b"IEND", b"")
