"""The tracker of a rehearsal, in a sandbox of its own: serves on the sockets it is handed, and says at the end what it was told.

It is started with a socket to gonogo. From there comes a byte with a listening socket for each run, and nothing more when all is over; it
says its API key on a line, and at the end what it was told, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_ROWS = 400  # of a run's history
MOST_BYTES = 24 << 20  # of everything that is said at the end
_RUNS = """
SELECT run.id, entity, project.name, run.name, state, exit_code, rows, summary FROM run JOIN project ON run.project = project.id
"""


def main() -> None:
    """Serve until there is nothing more to serve; the first argument is the socket's descriptor, the second a folder for the data."""
    from gonogo.tracker.serve import serve_each
    from gonogo.tracker.settings import Settings

    folder = Path(sys.argv[2])
    with socket.socket(fileno=int(sys.argv[1])) as gonogo:
        serve_each(Settings(folder), lambda key: gonogo.sendall(f"{key}\n".encode()), _sockets(gonogo))
        gonogo.sendall(json.dumps(_told(folder / "tracker.sqlite3")).encode())


def _sockets(gonogo: socket.socket) -> Iterator[socket.socket]:
    while True:
        said, descriptors, _, _ = socket.recv_fds(gonogo, 1, 1)
        if not said:
            return
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
