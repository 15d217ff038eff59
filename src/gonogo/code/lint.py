"""Undefined names and outright errors, found by ruff: its rules are better than any we would write."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gonogo.errors import StageError

RULES = "F821,F822,F823,PLE"
# Complaints that say nothing about whether the code runs, or that ruff files under PLE for style's sake.
NOT_ERRORS = "PLE0604,PLE0605,PLE1205,PLE1206,PLE1519,PLE1520,PLE2502,PLE2510,PLE2512,PLE2513,PLE2514,PLE2515,PLE4703"
TIMEOUT = 20.0


@dataclass(frozen=True)
class Complaint:
    """One diagnostic of ruff; `code` is None for a syntax error."""

    code: str | None
    message: str
    path: str
    line: int
    column: int
    end_line: int
    end_column: int


@lru_cache(maxsize=1)
def _binary() -> str:
    from ruff import find_ruff_bin

    return str(find_ruff_bin())


def run_ruff(root: Path, paths: list[str], python: tuple[int, int] | None) -> list[Complaint]:
    """Run ruff over files under `root`, blind to any settings of theirs.

    Args:
        root: the folder the paths are relative to.
        paths: the files.
        python: the oldest Python the experiment promises to run on (3.11 where it says nothing).

    Raises:
        StageError: ruff failed or took too long.
    """
    paths = [path for path in paths if (root / path).is_file()]
    if not paths:
        return []
    minor = min(max(python[1] if python and python[0] == 3 else 11, 8), 14)
    command = [_binary(), "check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--output-format", "json"]
    command += ["--select", RULES, "--ignore", NOT_ERRORS, "--target-version", f"py3{minor}", "--no-respect-gitignore", "--ignore-noqa"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUFF_")}
    try:
        process = subprocess.run([*command, "--", *paths], cwd=root, capture_output=True, timeout=TIMEOUT, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise StageError(f"ruff took more than {TIMEOUT:g} s") from error
    if process.returncode != 0:
        raise StageError(f"ruff failed: {process.stderr.decode(errors='replace').strip()[:300]}")
    return [_complaint(entry, root) for entry in json.loads(process.stdout or b"[]")]


def _complaint(entry: dict[str, object], root: Path) -> Complaint:
    start, end = entry["location"], entry["end_location"]
    assert isinstance(start, dict) and isinstance(end, dict)
    code = None if entry["code"] in (None, "invalid-syntax") else str(entry["code"])
    path = Path(str(entry["filename"])).resolve().relative_to(root).as_posix()
    return Complaint(code, str(entry["message"]), path, start["row"], start["column"], end["row"], end["column"])
