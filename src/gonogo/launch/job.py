"""A piece of work: one command with its log.

Whatever engine carries it, this is what runs on the machine that the job was given to.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gonogo.launch.processes import noted

GRACE = 10.0
KEEPERS_GRACE = 8.0  # within which a job may end by itself when it is asked to
KEEPER = Path(__file__).with_name("keeper.py")
NOT_STARTED = 127
STATES = ("waiting", "running", "done", "failed", "stopped", "skipped")


@dataclass(frozen=True)
class Job:
    """One command.

    Args:
        label: the run id.
        argv: the command; `cwd` where it starts; `env` what is added to the environment.
        log: the file that gets all it says, appended to.
        gpus: how many accelerators its run config asks for.
        record: the file that says where it runs, for as long as it does.
    """

    label: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str] = field(default_factory=dict)
    log: str = ""
    gpus: int = 0
    record: str = ""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: `running`, `done`, `failed` or `stopped`."""

    label: str
    state: str
    seconds: float = 0.0
    code: int | None = None
    reason: str = ""


class Executor(Protocol):
    """An engine that carries jobs.

    Attributes:
        is_here: it carries them on this machine alone.
    """

    is_here: bool

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Carry the jobs; events come as they happen. Closing the iterator stops what runs."""
        ...


def carry_out(
    job: Job, more: dict[str, str] | None = None, on_start: Callable[[int], None] | None = None, cores: Iterable[int] = ()
) -> Event:
    """Run a job here until it ends.

    The job and everything that it started end together with this process, also when this process is killed.

    Args:
        job: the job.
        more: variables that its place gives it.
        on_start: hears of the number of the process that stands over it, which leads a group of its own.
        cores: the processor's cores it may use; none for all.
    """
    started = time.monotonic()
    keeper = [sys.executable, "-I", "-S", str(KEEPER), str(os.getpid()), str(KEEPERS_GRACE), ",".join(map(str, cores))]
    Path(job.log).parent.mkdir(parents=True, exist_ok=True)
    with open(job.log, "ab") as log:  # noqa: PTH123
        try:
            process = subprocess.Popen(
                [*keeper, *job.argv],
                cwd=job.cwd,
                env={**os.environ, **job.env, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Event(job.label, "failed", 0.0, None, f"it could not be started: {error}")
        with noted(job.record, job.label, process.pid) if job.record else nullcontext():
            if on_start is not None:
                on_start(process.pid)
            try:
                code = process.wait()
            except BaseException:
                stop(process.pid)
                process.wait()
                raise
    seconds = time.monotonic() - started
    if code == 0:
        return Event(job.label, "done", seconds, 0)
    said = last_line(job.log)
    if code == NOT_STARTED and "could not be started" in said:
        return Event(job.label, "failed", seconds, None, said)
    return Event(job.label, "failed", seconds, code, f"signal {-code} ended it" if code < 0 else f"exit code {code}")


def stop(group: int) -> None:
    """Ask a process group to end, and end it where it does not."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.1)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def last_line(log: str, most: int = 4000) -> str:
    """The last line that a job has said; a carriage return begins a line anew."""
    try:
        with open(log, "rb") as file:  # noqa: PTH123
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            lines = [line for line in file.read().replace(b"\r", b"\n").split(b"\n") if line.strip()]
    except OSError:
        return ""
    return lines[-1].decode("utf-8", "replace").strip() if lines else ""
