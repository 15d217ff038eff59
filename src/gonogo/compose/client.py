"""The gate's side of composition.

It sends requests to the child process, with a time limit, and turns replies into data.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gonogo.model.errors import StageError
from gonogo.system.children import command

BUSY = 6.0  # how many times longer than its processor seconds a request may take by the clock
SHORTEST_WAIT = 0.05
PROCESSES = Path("/proc")
#: Key of a mapping in a file of the store: it holds no other keys than these, the fields of the dataclass that is named here.
CLOSED = "gonogo-closed"
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


@dataclass(frozen=True)
class Interpolation:
    """An interpolation in a composed config: `status` is value, broken or unknown (it needs a resolver)."""

    path: tuple[str, ...]
    text: str
    status: str
    references: tuple[str, ...] = ()
    value: Any = None
    message: str = ""


def keys_of(reference: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path from the root of what an interpolation at a path refers to.

    Each dot at its front goes one level up.
    """
    name = reference.lstrip(".")
    dots = len(reference) - len(name)
    start = path[: max(0, len(path) - dots)] if dots else ()
    return (*start, *(key for key in name.replace("[", ".").replace("]", "").split(".") if key))


@dataclass(frozen=True)
class Project:
    """What composing a config of a project of any shape needs besides its config folder.

    See `gonogo.compose.project`.
    """

    root: Path
    roots: tuple[Path, ...] = ()
    store: Path | None = None
    beside: tuple[Path, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            "root": str(self.root),
            "roots": [str(folder) for folder in self.roots],
            "store": str(self.store) if self.store is not None else None,
            "beside": [str(folder) for folder in self.beside],
        }


@dataclass(frozen=True)
class Composition:
    """The result of composing a config name and overrides with Hydra.

    It is a config (interpolations unresolved), or Hydra's message.

    Attributes:
        sources: for a project, the files it was merged from (path without suffix) with the package of each.
        swept: for a project, the keys that a sweep of its own sets, `*` for any.
        unsure: why Hydra may say something else where the project is at home; empty if nothing is in doubt.
    """

    config_path: str
    config_name: str | None
    overrides: tuple[str, ...]
    config: dict[str, Any] | None = None
    interpolations: dict[tuple[str, ...], Interpolation] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    chdir: bool | None = None
    error: str = ""
    message: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    unsure: str = ""
    swept: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it composed."""
        return self.config is not None


class Composer:
    """A child process that composes configs, started early and used later.

    It is replaced when it dies or exceeds its time limit.

    Args:
        timeout: seconds of work that a single request may take; on a busy machine that is longer by the clock.
    """

    def __init__(self, timeout: float = 20.0) -> None:
        self.timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self.start()

    def start(self) -> None:
        """Start the child without waiting for it."""
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        self._buffer = b""
        self._process = subprocess.Popen(
            command("gonogo.compose.worker", str(BUSY * self.timeout), ends_with_us=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=os.sep,
        )

    def compose(
        self,
        folder: Path | None,
        config_name: str | None,
        overrides: tuple[str, ...],
        version_base: str | None,
        config_path: str,
        project: Project | None = None,
    ) -> Composition:
        """Compose `config_name` from `folder` with exactly these overrides.

        Raises:
            StageError: the child died or took too long.
        """
        request: dict[str, Any] = {"do": "compose", "folder": str(folder) if folder is not None else None, "config_name": config_name}
        request |= {"overrides": list(overrides), "version_base": version_base}
        reply = self._ask(request | ({"project": project.as_dict()} if project is not None else {}))
        if not reply["ok"]:
            message = reply["message"].replace(str(folder), config_path) if folder is not None else reply["message"]
            return Composition(config_path, config_name, overrides, error=reply["error"], message=message, unsure=reply["unsure"])
        entries = [
            Interpolation(**{**entry, "path": tuple(entry["path"]), "references": tuple(entry["references"])})
            for entry in reply["interpolations"]
        ]
        return Composition(
            config_path,
            config_name,
            overrides,
            config=reply["config"],
            interpolations={entry.path: entry for entry in entries},
            choices=reply["hydra"]["choices"],
            chdir=reply["hydra"]["chdir"],
            sources=tuple((path, package) for path, package in reply["sources"]),
            unsure=reply["unsure"],
            swept=tuple(reply["hydra"]["sweeper"]),
        )

    def parse(self, overrides: list[str]) -> list[str | None]:
        """Hydra's complaint about the grammar of each override, None where there is none.

        Raises:
            StageError: the child died or took too long.
        """
        messages: list[str | None] = self._ask({"do": "parse", "overrides": overrides})
        return messages

    def sweep(self, overrides: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The single runs of a multirun: the first, and those that differ from it in one value.

        Raises:
            StageError: the child died or took too long.
        """
        return [tuple(run) for run in self._ask({"do": "sweep", "overrides": list(overrides)})]

    def _ask(self, request: dict[str, Any]) -> Any:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self.start()
        process = self._process
        assert process is not None and process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            reply = json.loads(self._read_line(process))
        except (BrokenPipeError, EOFError) as error:
            self.close()
            raise StageError("the process that composes configs with Hydra died (out of memory, or killed)") from error
        except BaseException:
            self.close()  # a reply to this request must never be taken for the next one's
            raise
        if isinstance(reply, dict) and "failed" in reply:
            raise StageError(reply["failed"])
        return reply

    def _read_line(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None
        before, deadline = _worked(process.pid), time.monotonic() + BUSY * self.timeout
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = min(self.timeout - (_worked(process.pid) - before), deadline - time.monotonic())
                if left <= 0:
                    raise StageError(f"Hydra took more than {self.timeout:g} s to compose a config")
                if not selector.select(max(left, SHORTEST_WAIT)):
                    continue
                chunk = os.read(process.stdout.fileno(), 1 << 20)
                if not chunk:
                    raise EOFError
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # the child is gone; there is nothing left to tell it
                    stream.close()
        process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _worked(number: int) -> float:
    """Return the CPU seconds that a process has used, 0 once it is gone.

    Where the system has no `/proc`, it is wall-clock time.

    Not with psutil, whose import takes as long as a small check.
    """
    if not PROCESSES.exists():
        return time.monotonic()
    try:
        times = (PROCESSES / str(number) / "stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
