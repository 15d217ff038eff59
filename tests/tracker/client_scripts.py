"""Runs programs that use the real client against a tracker, as processes of their own, like a training or an evaluation does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gonogo.tracker import Tracker, running

ENTITY, PROJECT = "lab", "tta"
PATH = f"{ENTITY}/{PROJECT}"
SECONDS = 60
HEAD = f"""
import json, math, sys, os
from pathlib import Path
import wandb

def init(**arguments):
    settings = {{"x_disable_stats": True, **arguments.pop("settings", {{}})}}
    return wandb.init(**{{"entity": {ENTITY!r}, "project": {PROJECT!r}, "settings": settings, **arguments}})
"""


def start(tracker: Tracker, folder: Path, script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start a program. It finds `init`, which is `wandb.init` in the project of the tests, and works in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    variables |= tracker.environment(folder) | {"WANDB_SILENT": "true", "TMPDIR": str(folder), **environment}
    command = [sys.executable, "-c", HEAD + script, *arguments]
    return subprocess.Popen(command, env=variables, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(tracker: Tracker, folder: Path, script: str, *arguments: str, code: int = 0, **environment: str) -> str:
    """Run a program to its end, which must come with an exit code; its standard output."""
    return finish(start(tracker, folder, script, *arguments, **environment), code)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a program's end, which must come with an exit code; its standard output."""
    with process:
        try:
            output, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == code, f"exit code {process.returncode}\n{output}\n{errors}"
    return output


@contextmanager
def tracker_and_client(folder: Path) -> Iterator[Tracker]:
    """A tracker, and this process's own client set to it."""
    with running(folder / "tracker") as tracker, pytest.MonkeyPatch.context() as patch:
        (folder / "client").mkdir()
        for name, value in tracker.environment(folder / "client").items():
            patch.setenv(name, value)
        patch.setenv("WANDB_SILENT", "true")
        yield tracker


def api() -> Any:
    """A client that has seen nothing yet."""
    import wandb

    return wandb.Api(timeout=60)


def run_of(name: str) -> Any:
    """A run as the client reads it now."""
    return api().run(f"{PATH}/{name}")
