"""The tracker of a rehearsal, in a sandbox of its own.

It serves on the sockets that it is handed, and reports at the end what it was told.

It is started with a socket to gonogo. From there comes a byte with a listening socket for each run, and nothing more at the end; it
says its API key on a line, and at the end what it was told, as JSON. A challenge sends `!` and a line of JSON to have changed what it has:
`{"perturb": true}` gives every run other numbers under the same names, `{"remove": id}` takes a run away. A run that is to be run again is
forgotten (`{"forget": id}`). It answers with one byte.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_ROWS = 400  # of a run's history
MOST_BYTES = 24 << 20  # of everything that is said at the end
#: Names of numbers that say where a row stands, by which an evaluation finds it.
COUNTERS = re.compile(r"(?:^|_)(?:step|epoch|batch|iter|iteration|seed|index|id|rank|fold|position|order)s?(?:$|_)", re.IGNORECASE)
#: Keys of fractions: W&B stores 0.0 and 1.0 as whole numbers, which under other names may be flags.
FRACTIONS = re.compile(r"acc|loss|err|f1|auc|prec|recall|score|rate|iou|dice|bleu|rouge|kappa|mcc|ratio|share", re.IGNORECASE)
_RUNS = """
SELECT run.id, entity, project.name, run.name, state, exit_code, rows, summary FROM run JOIN project ON run.project = project.id
"""


def main() -> None:
    """Serve until there is nothing more to serve.

    The first argument is the socket's descriptor, the second a folder for the data.
    """
    from gonogo.tracker.serve import serve_each
    from gonogo.tracker.settings import Settings

    folder = Path(sys.argv[2])
    with socket.socket(fileno=int(sys.argv[1])) as gonogo:
        changes = Changes(folder / "tracker.sqlite3")
        serve_each(Settings(folder), lambda key: gonogo.sendall(f"{key}\n".encode()), _sockets(gonogo, changes))
        told = changes.told_before or _told(folder / "tracker.sqlite3")
        gonogo.sendall(json.dumps(told).encode())


class Changes:
    """What a challenge changes of what the tracker has.

    Args:
        database: the tracker's.

    Attributes:
        told_before: what the tracker had been told before the first change, None if there was none.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self.told_before: dict[str, Any] | None = None

    def make(self, what: dict[str, Any]) -> None:
        """Make one change."""
        forgotten = what.get("forget")
        if self.told_before is None and forgotten is None:
            self.told_before = _told(self._database)
        with contextlib.closing(sqlite3.connect(self._database, timeout=30)) as connection, connection:
            if what.get("perturb"):
                perturb(connection)
            if name := forgotten or what.get("remove"):
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("DELETE FROM run WHERE name = ?", [name])


def perturb(connection: sqlite3.Connection) -> None:
    """Change every number of every run, by another factor for each run.

    Fractions stay fractions, and whole numbers stay whole.
    """
    for number, summary in connection.execute("SELECT id, summary FROM run").fetchall():
        connection.execute("UPDATE run SET summary = ? WHERE id = ?", [json.dumps(perturbed(json.loads(summary), number)), number])
    rows = connection.execute("SELECT run, step, attempt, line FROM history").fetchall()
    for run, step, attempt, line in rows:
        place = [run, step, attempt]
        other = json.dumps(perturbed(json.loads(line), run))
        connection.execute("UPDATE history SET line = ? WHERE run = ? AND step = ? AND attempt = ?", [other, *place])


def perturbed(value: Any, run: int, key: str = "") -> Any:
    """Return another value for a logged value.

    Counters (`_step`, `epoch` and similar), texts and numbers that are not finite stay as they are.
    """
    if isinstance(value, dict):
        return {name: entry if name.startswith("_") else perturbed(entry, run, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [perturbed(entry, run, key) for entry in value]
    if isinstance(value, str) and len(value) >= 8 and not value.strip("01"):  # one character a sample: right or wrong
        return "".join(str(1 - int(bit)) if (index * 7 + run) % 5 == 0 else bit for index, bit in enumerate(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or COUNTERS.search(key) or not math.isfinite(value):
        return value
    if isinstance(value, int) and not (value in (0, 1) and FRACTIONS.search(key)):
        return value + run % 3 + 1 if abs(value) > 1 else value
    share = 0.15 + 0.5 * ((run * 0.6180339887498949) % 1)
    if 0 <= value <= 1:
        return value * (1 - share) + share * (0.31 + 0.4 * (1 - value))
    return value * (1 + share)


def _sockets(gonogo: socket.socket, changes: Changes) -> Iterator[socket.socket]:
    while True:
        said, descriptors, _, _ = socket.recv_fds(gonogo, 1, 1)
        if not said:
            return
        if said == b"!":
            line = b""
            while not line.endswith(b"\n") and (chunk := gonogo.recv(1)):
                line += chunk
            changes.make(json.loads(line))
            gonogo.sendall(b".")
        yield from (socket.socket(fileno=descriptor) for descriptor in descriptors)


def _told(database: Path) -> dict[str, Any]:
    """What the tracker was told, run by run, as far as it is not too much."""
    found: list[dict[str, Any]] = []
    size = 0
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for number, entity, project, name, state, code, rows, summary in connection.execute(_RUNS).fetchall():
            keys = dict(connection.execute("SELECT name, rows FROM metric WHERE run = ?", [number]).fetchall())
            about = {"entity": entity, "project": project, "id": name, "state": state, "exit_code": code, "rows": rows}
            about |= {"summary": summary, "keys": keys, "history": []}
            size += len(summary) + sum(len(key) + 20 for key in keys)
            for (line,) in connection.execute("SELECT line FROM history WHERE run = ? ORDER BY step LIMIT ?", [number, MOST_ROWS]):
                size += len(line)
                if size > MOST_BYTES:
                    return {"runs": found, "too_much": True}
                about["history"].append(line)
            found.append(about)
    return {"runs": found, "too_much": False}
