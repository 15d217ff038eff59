"""Undefined names and outright errors, found by ruff: its rules are better than any we would write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gonogo.model.errors import StageError

STAR = "F405"  # a name that only `from x import *` may give
RULES = f"F821,F822,F823,F70,PLE,{STAR}"
# What Python's compiler refuses although its parser does not: ruff's own codes for it.
COMPILE_ERRORS = frozenset({"F701", "F702", "F704", "F706", "F707", "PLE0115", "PLE0117", "PLE0118", "PLE1142", "PLE1700"})
# What surely fails when it runs. The rest of ruff's PLE is style (`__all__` formats), is printed but not raised (logging arguments),
# or depends on the caller (a bare `raise` in a function that handlers call).
RUN_TIME_ERRORS = frozenset(
    {"F821", "F822", "F823", "PLE0100", "PLE0101", "PLE0241", "PLE0302", "PLE1132", "PLE1300", "PLE1307", "PLE1507"}
)
OLDEST_MINOR, NEWEST_MINOR, DEFAULT_MINOR = 8, 14, 11
TIMEOUT = 20.0
MOST_COMPLAINTS = 20_000


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

    @property
    def needs_python(self) -> tuple[int, int] | None:
        """The Python that knows the syntax, where the complaint is only that the target version does not."""
        found = re.search(r"\(syntax was (?:added|changed) in Python (\d+)\.(\d+)\)", self.message)
        return (int(found[1]), int(found[2])) if found and self.code is None else None

    @property
    def is_syntax_error(self) -> bool:
        """Whether every Python refuses the file."""
        return (self.code is None and self.needs_python is None) or self.code in COMPILE_ERRORS


@lru_cache(maxsize=1)
def _binary() -> str:
    from ruff import find_ruff_bin

    return str(find_ruff_bin())


def run_ruff(root: Path, paths: list[str], python: tuple[int, int] | None) -> list[Complaint]:
    """Run ruff over files under `root`, blind to any settings of theirs.

    Args:
        root: the folder the paths are relative to.
        paths: the files.
        python: the oldest Python the experiment promises to run on.

    Raises:
        StageError: ruff failed or took too long.
    """
    paths = [path for path in paths if (root / path).is_file()]
    if not paths:
        return []
    minor = min(max(python[1] if python and python[0] == 3 else DEFAULT_MINOR, OLDEST_MINOR), NEWEST_MINOR)
    command = [_binary(), "check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--output-format", "json-lines"]
    command += ["--select", RULES, "--target-version", f"py3{minor}", "--no-respect-gitignore", "--ignore-noqa"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUFF_")}
    environment["RAYON_NUM_THREADS"] = "1"  # for these few files, starting more threads costs more than they do
    return list(_complaints([*command, "--", *paths], root, environment))


def _complaints(command: list[str], root: Path, environment: dict[str, str]) -> Iterator[Complaint]:
    """What ruff says, as it says it, so that more than is wanted is never held.

    Raises:
        StageError: ruff failed, took too long, or has too much to say.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=errors, env=environment)
        except OSError as error:
            raise StageError(f"ruff could not be started: {error.strerror or error}") from error
        ended = threading.Timer(TIMEOUT, process.kill)
        ended.start()
        paths: dict[str, str] = {}
        try:
            assert process.stdout is not None
            for number, line in enumerate(process.stdout):
                if number == MOST_COMPLAINTS:
                    raise StageError(f"ruff has more than {MOST_COMPLAINTS:,} complaints")
                entry = json.loads(line)
                name = str(entry["filename"])
                if name not in paths:
                    paths[name] = Path(name).resolve().relative_to(root).as_posix()
                yield _complaint(entry, paths[name])
            process.wait()
        except ValueError as error:  # half a line: it was ended
            raise StageError("ruff came to no end") from error
        finally:
            late = not ended.is_alive()
            ended.cancel()
            process.kill()
            process.communicate()
        if late:
            raise StageError(f"ruff took more than {TIMEOUT:g} s")
        if process.returncode != 0:
            errors.seek(0)
            raise StageError(f"ruff failed: {errors.read(1000).decode(errors='replace').strip()[:300]}")


def _complaint(entry: dict[str, object], path: str) -> Complaint:
    start, end = entry["location"], entry["end_location"]
    assert isinstance(start, dict) and isinstance(end, dict)
    code = None if entry["code"] in (None, "invalid-syntax") else str(entry["code"])
    return Complaint(code, str(entry["message"]), path, start["row"], start["column"], end["row"], end["column"])
