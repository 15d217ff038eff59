"""uv as a child process.

It is found, run with a clean environment, limited in time, able to start nothing, and its output is turned into data.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from gonogo.execution.sandbox import alone, seccomp
from gonogo.model.errors import StageError
from gonogo.system.children import command

Kind = Literal["unreadable", "unresolvable", "unbuildable", "unavailable"]

_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TMPDIR|NETRC|XDG_\w+|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|LD_LIBRARY_PATH|UV_\w+",
    re.IGNORECASE,
)
# They would make uv do something else than the experiment's command does on another machine, or publish.
_DROPPED = re.compile(r"UV_(PUBLISH_\w+|PROJECT\w*|WORKING_DIR\w*|FROZEN|LOCKED|NO_SYNC|PYTHON|ISOLATED|COMPILE_BYTECODE|NO_CACHE)")
_PROGRESS = re.compile(
    r"\s*(Using CPython|Creating virtual|Resolved \d|Building |Built |Downloading |Downloaded |Prepared \d|Installed \d|Uninstalled|"
    r"warning:)"
)
_NETWORK = re.compile(
    r"error sending request|dns error|timed out|[Cc]onnection (refused|reset)|Network (is unreachable|connectivity is disabled)"
    r"|network was disabled|Could not connect|HTTP status (client|server) error"
    r"|No space left on device|Permission denied|Read-only file system"
)
_MEANINGS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"Failed to build|Failed to download and build|[Bb]uild backend (returned|failed)|The build backend"), "unbuildable"),
    (re.compile(r"No solution found"), "unresolvable"),
    (re.compile(r"(can't|cannot|can’t) be installed because it doesn't have a source distribution or wheel"), "unavailable"),
    (re.compile(r"Failed to parse: `?(pyproject\.toml|.*/pyproject\.toml)|TOML parse error"), "unreadable"),
)
_UNBUILT = re.compile(r"Failed to (?:download and )?build `([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)`")
LONGEST_REASON = 3000
LAST_WORDS = 200  # lines kept


@dataclass(frozen=True)
class Refusal:
    """Why uv could not make an environment of what the experiment says.

    Args:
        kind: `unreadable` (pyproject.toml), `unresolvable` (no set of versions fits), `unbuildable` (a package's build fails on this
            machine), `unavailable` (a package exists, but not for this platform).
        reason: uv's own words.
    """

    kind: Kind
    reason: str


class Uv:
    """The program uv.

    Args:
        on_line: gets what it says as it says it.
        seconds: how long all calls together may take.
        held: a descriptor that every child keeps open: a lock lives as long as the last of them.
        may_build: whether it may run build scripts where the kernel can't keep it from them; else it then installs wheels alone.

    Raises:
        StageError: there is no uv.
    """

    def __init__(self, on_line: Callable[[str], None] | None, seconds: float, held: int, *, may_build: bool = False) -> None:
        self.program = find()
        self._may_build = may_build
        self._on_line = on_line
        self._deadline = time.monotonic() + seconds
        self.seconds = seconds
        self._held = held

    @property
    def left(self) -> float:
        """Seconds that are left for all calls together."""
        return max(0.0, self._deadline - time.monotonic())

    def ask(self, arguments: list[str], folder: Path) -> tuple[int, str]:
        """Run it where it must start a Python to learn about it; nothing of the experiment may be there.

        Returns:
            Its exit code, and what it said.

        Raises:
            StageError: the time is up.
        """
        return self._run([self.program], arguments, folder, {})

    def run(self, arguments: list[str], folder: Path, more: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run it in a folder, so that it can start no other program: what it is told to build, it can't.

        Returns:
            Its exit code, and what it said.

        Raises:
            StageError: the time is up.
        """
        if seccomp.here() is not None:
            return self._run([*command("gonogo.execution.sandbox.alone"), self.program], arguments, folder, more or {})
        return self._run([self.program], arguments, folder, {**(more or {}), **({} if self._may_build else {"UV_NO_BUILD": "1"})})

    def _run(self, program: list[str], arguments: list[str], folder: Path, more: Mapping[str, str]) -> tuple[int, str]:
        process = subprocess.Popen(
            [*program, "--no-progress", *arguments],
            cwd=folder,
            env=environment() | dict(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(self._held,),
        )
        try:
            said = self._read(process)
            return process.wait(), said
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def _read(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        lines: list[str] = []
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(max(0.0, self._deadline - time.monotonic())):
                    raise StageError(
                        f"uv took more than {self.seconds:g} s to make the environment; its last words: {' / '.join(lines[-3:])}"
                    )
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                *complete, rest = (rest + chunk).split(b"\n")
                for line in complete if chunk else filter(None, [*complete, rest]):
                    lines.append(line.decode("utf-8", "replace").rstrip())
                    del lines[: -2 * LAST_WORDS]
                    if self._on_line is not None:
                        self._on_line(lines[-1])
                if not chunk:
                    return "\n".join(lines[-LAST_WORDS:])


def find() -> str:
    """The program itself, also where a script of that name stands before it.

    Raises:
        StageError: it is not installed.
    """
    program = shutil.which("uv") or shutil.which(os.environ.get("UV", ""))  # uv tells what it runs where it is itself
    if program is not None and _is_script(program):
        program = _behind(program)
    if program is None:
        raise StageError(
            "uv is not installed, so the experiment's environment can't be made: install it, or give an environment with --python"
        )
    return program


def _is_script(program: str) -> bool:
    with Path(program).open("rb") as file:
        return file.read(2) == b"#!"


@lru_cache(maxsize=4)
def _behind(script: str) -> str | None:
    """Return the program that a script (such as that of a version manager) leads to.

    uv passes its own path to what it runs.
    """
    ask = [script, "run", "--no-project", "--no-config", "python", "-I", "-S", "-c", "import os; print(os.environ.get('UV', ''))"]
    with tempfile.TemporaryDirectory() as nowhere:
        said = subprocess.run(ask, capture_output=True, text=True, cwd=nowhere, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return shutil.which(said.stdout.strip())


def environment() -> dict[str, str]:
    """Return the environment variables of gonogo's own that uv needs.

    The passwords of its indexes are among them, but no key of any service.
    """
    return {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name) and not _DROPPED.fullmatch(name)}


def unbuilt(said: str) -> tuple[str, str] | None:
    """The package and version that uv would have had to build, where it could not start the build."""
    found = _UNBUILT.search(said)
    return (found[1], found[2]) if found and alone.REFUSED in said else None


def refusal(said: str, folder: Path) -> Refusal | None:
    """Return what uv's message says about the experiment.

    None where it says nothing sure about it (a network, a full disk, something unknown).
    """
    reason = words(said, folder)
    if _NETWORK.search(reason):
        return None
    return next((Refusal(kind, reason) for pattern, kind in _MEANINGS if pattern.search(reason)), None)


def words(said: str, folder: Path) -> str:
    """The part of uv's output that explains a failure, without the paths of this machine."""
    lines = [line for line in said.replace(f"{folder}/", "").replace(str(folder), ".").split("\n") if not _PROGRESS.match(line)]
    start = next((number for number, line in enumerate(lines) if re.match(r"error:|\s*×", line)), 0)
    text = "\n".join(lines[start:]).strip()
    half = LONGEST_REASON // 2
    return text if len(text) <= LONGEST_REASON else f"{text[:half]}\n[…]\n{text[-half:]}"
