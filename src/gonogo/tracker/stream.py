"""What a run sends while it lives: the client's file stream."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from gonogo.tracker.store import Store
from gonogo.tracker.store.history import Chunk
from gonogo.tracker.store.intake import LAST_STEP
from gonogo.tracker.store.runs import RefusedError, check_object

HISTORY, SUMMARY, EVENTS = "wandb-history.jsonl", "wandb-summary.json", "wandb-events.jsonl"


def receive(store: Store, run: sqlite3.Row, asked: dict[str, Any], writer: str | None = None) -> bool:
    """Store what a run sent.

    Args:
        store: Where.
        run: The run.
        asked: The body: `files` with `offset` and `content` by stream name, and at the end `complete` and `exitcode`.
        writer: What the process calls itself, if several share the run.

    Returns:
        Whether the process is to stop, because somebody asked for that.

    Raises:
        RefusedError: The body has another shape.
    """
    files = asked.get("files") or {}
    if not isinstance(files, dict):
        raise RefusedError("file stream: files must be an object")
    streams = {name: _lines(name, file) for name, file in files.items()}
    first_row, rows = streams.pop(HISTORY, (0, []))
    _, summaries = streams.pop(SUMMARY, (0, []))
    for text in summaries[-1:]:
        check_object(text, SUMMARY)
    for text in streams.get(EVENTS, (0, []))[1]:
        check_object(text, EVENTS)
    code = asked.get("exitcode")
    chunk = Chunk(
        rows=rows,
        first_row=first_row,
        writer=writer,
        lines=streams,
        summary=summaries[-1] if summaries else None,
        complete=bool(asked.get("complete")),
        exit_code=code if isinstance(code, int) else None,
        preempting=bool(asked.get("preempting")),
    )
    store.history.store(run["id"], chunk)
    store.runs.hear(run["id"])
    return bool(run["stop"])


def _lines(name: str, file: Any) -> tuple[int, Sequence[str]]:
    if isinstance(file, dict):
        offset, content = file.get("offset", 0), file.get("content")
        counted = isinstance(offset, int) and not isinstance(offset, bool) and 0 <= offset <= LAST_STEP // 2
        if counted and isinstance(content, list) and all(isinstance(line, str) for line in content):
            return offset, content
    raise RefusedError(f"file stream: {name} must have a number as its offset and texts as its content")
