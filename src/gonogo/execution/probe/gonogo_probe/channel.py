"""Events to the gate: lines of JSON on a named pipe, each after a keyed hash.

Counts are gathered and said from time to time and at the end, so that watching costs little; what matters by itself is said at once.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import events

PIPE, KEY = "GONOGO_EVENTS", "GONOGO_PROBE_KEY"
MOST = 4096  # bytes that the kernel writes to a pipe in one piece
TEXT = 1500  # characters kept of a text
EVERY = 1.0  # seconds between two reports of counts

_descriptor = -1
_key = b""
_number = 0
_started = 0  # the process that the probe was started in; another one is a fork of it
_lock = threading.RLock()
_reporters: list[Callable[[], None]] = []
_last = 0.0


def start() -> None:
    """Open the pipe.

    The key is removed from the environment; child processes get it when they are started (`watchers.processes`).
    """
    global _descriptor, _key, _started
    _started = os.getpid()
    _key = os.environ.pop(KEY, "").encode()
    path = os.environ.get(PIPE)
    if path is not None:
        _descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forked)
    atexit.register(flush)


def key() -> str:
    """The key, for a child that is a Python."""
    return _key.decode()


@contextlib.contextmanager
def key_in_environment() -> Iterator[None]:
    """Let children that are started in the block have the key."""
    with _lock:
        os.environ[KEY] = key()
        try:
            yield
        finally:
            os.environ.pop(KEY, None)


def _forked() -> None:
    global _number
    _number = 0
    _lock.release()


def emit(event: Any) -> None:
    """Say something. What is too long for one line is cut, or left out, and that is said.

    Args:
        event: of a class of `events`.
    """
    global _number
    if _descriptor < 0:
        return
    with _lock:
        _number += 1
        pid = os.getpid()
        head = vars(events.Head(type(event).__name__, pid, _number, round(time.time(), 3), _started if pid != _started else None))
        line = _signed(head | vars(event))
        if len(line) > MOST:
            line = _signed(head | {"cut": True} | {name: _shortened(value) for name, value in vars(event).items()})
        if len(line) > MOST:
            line = _signed(head | {"cut": True, "left_out": sorted(vars(event))})
        try:
            os.write(_descriptor, line)
        except OSError:
            pass  # the gate has gone, or has had enough of it: the experiment goes on as if nothing were there


def _signed(event: dict[str, Any]) -> bytes:
    body = json.dumps(event, separators=(",", ":"), default=_plain).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(body, key=_key, digest_size=8).hexdigest().encode() + b" " + body + b"\n"


def _plain(value: Any) -> Any:
    """What an event holds, as JSON has it."""
    return vars(value) if dataclasses.is_dataclass(value) else str(value)


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:TEXT]
    if isinstance(value, (list, tuple)):
        return list(value[:10])
    if isinstance(value, dict):
        return dict(list(value.items())[:20])
    return value


def emit_items(event: Any, name: str) -> None:
    """Emit an event with a long list as several events, each with a part of the list.

    Nothing is emitted where the list is empty.

    Args:
        event: of a class of `events`.
        name: of the field that has the list.
    """
    part: list[Any] = []
    size = 0
    for item in getattr(event, name):
        length = len(json.dumps(item, default=_plain)) + 1
        if part and size + length > MOST - 600:
            emit(dataclasses.replace(event, **{name: part}))
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        emit(dataclasses.replace(event, **{name: part}))


def on_flush(reporter: Callable[[], None]) -> None:
    """Have a function called whenever counts are to be said; it says what changed since."""
    _reporters.append(reporter)


def tick() -> None:
    """Called where something was counted: says the counts if it is time."""
    global _last
    now = time.monotonic()
    if now - _last >= EVERY:
        _last = now
        flush()


def flush() -> None:
    """Say all counts now."""
    for reporter in _reporters:
        reporter()
