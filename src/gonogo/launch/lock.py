"""One launch at a time for a folder of results."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gonogo.model.errors import UsageError

OWN = ".gonogo"


def lock_of(results: Path) -> Path:
    """The file that is locked."""
    return results / OWN / "lock"


@contextmanager
def only_launch(results: Path) -> Iterator[None]:
    """Hold the lock of a results folder.

    The kernel releases it when this process ends, however it ends.

    Raises:
        UsageError: another launch holds it.
    """
    path = lock_of(results)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another launch is at work in {results}{_who(path)}: wait for it, stop it, or name another folder with --results."
            ) from error
        except OSError as error:
            raise UsageError(f"{results} can't be locked, so two launches could run the same run: {error.strerror or error}.") from error
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}, file)
        file.flush()
        yield


def refuse_if_held(results: Path) -> None:
    """Say at once, before the gate, that another launch is at work in a folder that is there already.

    Raises:
        UsageError: one is.
    """
    path = lock_of(results)
    if path.exists():
        with only_launch(results):
            pass


def _who(path: Path) -> str:
    try:
        about = json.loads(path.read_text("utf-8"))
        return f" (process {about['pid']} on {about['host']}, since {about['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # it has only begun
