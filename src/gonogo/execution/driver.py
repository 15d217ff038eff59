"""Inside the sandbox, as gonogo: starts the runs, each bounded in time, and the evaluation, with a tracker beside them where one is wanted.

Everything it says goes through the event channel under a key that the experiment's processes never see.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

LINE_CHARACTERS = 1500
GRACE = 3.0
MOST_ROWS = 400
PR_SET_DUMPABLE = 4


class Channel:
    """The event channel, written to as gonogo.

    Args:
        path: the named pipe.
        key: what shows that an event is ours.
    """

    def __init__(self, path: str, key: bytes) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._key = key
        self._lock = threading.Lock()

    def emit(self, kind: str, **data: Any) -> None:
        """Say something; at most 4096 bytes."""
        body = json.dumps({"kind": kind, "at": round(time.time(), 3), **data}).encode()
        line = hashlib.blake2b(body, key=self._key, digest_size=8).hexdigest().encode() + b" " + body + b"\n"
        with self._lock:
            os.write(self._descriptor, line)


def main() -> None:
    """Carry out the order in the file that the first argument names; the key comes through the descriptor that it names."""
    # Neither this process's memory nor its descriptors can then be opened by others of the same user.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    order = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    with os.fdopen(order["key_descriptor"], "rb") as file:
        key = file.read()
    channel = Channel(os.environ["GONOGO_EVENTS"], key)
    try:
        with _tracker(order) as environment:
            _carry_out(order, channel, environment)
            if environment:
                _read_tracker(Path(order["tracker"]), Path(order["tracked"]))
        channel.emit("driver-end")
    except Exception as error:
        channel.emit("driver-failed", error=f"{type(error).__name__}: {error}"[:2000])
        raise


@contextlib.contextmanager
def _tracker(order: dict[str, Any]) -> Iterator[dict[str, str]]:
    """A tracker for as long as the block lasts, where one is wanted; the environment that leads to it."""
    if order["tracker"] is None:
        yield {}
        return
    from gonogo.tracker import running

    client = Path(order["client"])
    client.mkdir(parents=True, exist_ok=True)
    with running(Path(order["tracker"])) as tracker:
        yield tracker.environment(client) | {"WANDB_SILENT": "true"}


def _carry_out(order: dict[str, Any], channel: Channel, environment: dict[str, str]) -> None:
    """The runs: the first alone, since it fills the caches that the others share; then several at a time. At last the evaluation."""
    runs, jobs = order["runs"], order["jobs"]
    cores = os.cpu_count() or 1
    ended = [_run(run, channel, environment, cores) for run in runs[:1]]
    if ended and not (ended[0] or order["keep_going"]):
        runs = runs[:1]
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        ended += list(pool.map(lambda run: _run(run, channel, environment, max(1, cores // jobs)), runs[1:]))
    evaluation = order["evaluation"]
    good = [run["label"] for run, ok in zip(runs, ended, strict=True) if ok]
    if evaluation is not None and good:
        ids = json.dumps(good if len(good) < len(order["runs"]) else order["run_ids"], ensure_ascii=False)
        argv = [part.replace("{run_ids}", ids) for part in evaluation["argv"]]
        _run({**evaluation, "argv": argv}, channel, environment, cores)


def _run(run: dict[str, Any], channel: Channel, environment: dict[str, str], threads: int) -> bool:
    """Run one command to its end, or to the end of its time; whether it ended well."""
    label = run["label"]
    limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "GONOGO_LABEL": label}
    limits["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that wait would otherwise take the other runs' time
    started = time.monotonic()
    channel.emit("run-start", run=label, argv=[part[:300] for part in run["argv"][-30:]])
    try:
        process = subprocess.Popen(
            run["argv"],
            cwd=run["cwd"],
            env={**os.environ, **environment, **run["env"], **limits},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        channel.emit("run-end", run=label, code=None, signal=None, late=False, seconds=0.0, error=str(error)[:500])
        return False
    readers = [threading.Thread(target=_forward, args=(channel, label, name, getattr(process, name))) for name in ("stdout", "stderr")]
    for reader in readers:
        reader.start()
    late = False
    try:
        code = process.wait(run["seconds"])
    except subprocess.TimeoutExpired:
        late = True
        code = _end(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left behind
    for reader in readers:
        reader.join(GRACE)
    seconds = round(time.monotonic() - started, 3)
    channel.emit(
        "run-end", run=label, code=code if code >= 0 else None, signal=-code if code < 0 else None, late=late, seconds=seconds, error=""
    )
    return code == 0 and not late


def _end(process: subprocess.Popen[bytes]) -> int:
    """Ask a run to end, so that its processes can say what they counted; then end it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def _forward(channel: Channel, label: str, name: str, stream: Any) -> None:
    """Say every line of a stream. A carriage return begins a line anew, as a progress bar does."""
    left = b""
    while chunk := stream.read1(1 << 16):
        *lines, left = (left + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line.strip():
                channel.emit("line", run=label, stream=name, text=line[:LINE_CHARACTERS].decode("utf-8", "replace"))
        left = left[-LINE_CHARACTERS:]
    if left.strip():
        channel.emit("line", run=label, stream=name, text=left.decode("utf-8", "replace"))


def _read_tracker(folder: Path, target: Path) -> None:
    """Write down what the tracker has been told, for gonogo to read when the sandbox is gone."""
    found = []
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'tracker.sqlite3'}?mode=ro", uri=True)) as database:
        query = (
            "SELECT run.id, entity, project.name, run.name, state, exit_code, rows, summary "
            "FROM run JOIN project ON run.project = project.id"
        )
        for number, entity, project, name, state, code, rows, summary in database.execute(query).fetchall():
            metrics = database.execute("SELECT name, rows FROM metric WHERE run = ?", [number]).fetchall()
            lines = database.execute("SELECT line FROM history WHERE run = ? ORDER BY step LIMIT ?", [number, MOST_ROWS]).fetchall()
            about = {"entity": entity, "project": project, "id": name, "state": state, "exit_code": code, "rows": rows}
            found.append(about | {"summary": summary, "keys": dict(metrics), "history": [line for (line,) in lines]})
    target.write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
