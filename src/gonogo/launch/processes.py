"""A record of what runs for a results folder, kept in that folder.

A launch after one that was killed first ends what that one has left running.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gonogo.launch.keeper import descendants
from gonogo.model.errors import UsageError

PATIENCE = 30.0  # seconds for what is asked to end
QUEUE_SECONDS = 60.0  # for a cluster's queue to let a job go


def began(pid: int) -> str:
    """Return when a living process started: the machine's boot, and clock ticks since.

    Thus another process with its number is not taken for it.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        if fields[0] in (b"Z", b"X"):
            return ""
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text('utf-8').strip()} {fields[19].decode()}"
    except (OSError, IndexError):
        return ""


@contextmanager
def noted(record: str, label: str, pid: int) -> Iterator[None]:
    """Have the process of a run written down for as long as the block lasts."""
    path = Path(record)
    about = {"run": label, "pid": pid, "began": began(pid), "host": platform.node(), "slurm": os.environ.get("SLURM_JOB_ID")}
    _write(path, about)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def noted_in_queue(record: str, label: str, job: str) -> Iterator[None]:
    """Have a job in Slurm's queue written down for as long as the block lasts."""
    path = Path(record).with_suffix(".queue.json")
    _write(path, {"run": label, "slurm": job})
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, about: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(about), "utf-8")
    part.replace(path)


def end_what_is_left(folder: Path) -> list[str]:
    """End what an earlier launch has left running; the names of what was.

    Args:
        folder: with the records, one for each job that ran.

    Raises:
        UsageError: something may still run where it can't be ended from here.
    """
    left = []
    for path in sorted(folder.glob("*.json")):
        try:
            about = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            about = {}
        if isinstance(about, dict) and _was_left(path, about):
            left.append(str(about.get("run", path.stem)))
        path.unlink(missing_ok=True)
    return list(dict.fromkeys(left))


def _was_left(path: Path, about: dict[str, Any]) -> bool:
    """Whether the process or job of a record was there still; it is not any more.

    Raises:
        UsageError: that can't be known, or it does not end.
    """
    if about.get("slurm") and shutil.which("squeue"):
        return _end_job(str(about["slurm"]), about)
    pid, host = about.get("pid"), about.get("host")
    if not isinstance(pid, int):
        return False
    if host != platform.node():
        raise UsageError(
            f"The run {about.get('run', path.stem)} of an earlier launch may still be at work on {host} (process {pid}): "
            f"make sure that it has ended, then delete {path}."
        )
    if not about.get("began") or began(pid) != about["began"]:
        return False
    _end_process(pid, about)
    return True


def _end_process(pid: int, about: dict[str, Any]) -> None:
    start = about["began"]
    below = descendants(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)  # the keeper ends all that it stands over
    until = time.monotonic() + PATIENCE
    while began(pid) == start and time.monotonic() < until:
        below |= descendants(pid)
        time.sleep(0.05)
    for each in (pid, *below) if began(pid) == start else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    while began(pid) == start:
        if time.monotonic() > until + PATIENCE:
            raise UsageError(f"The run {about.get('run')} of an earlier launch is still at work (process {pid}) and can't be ended.")
        time.sleep(0.05)


def _end_job(job: str, about: dict[str, Any]) -> bool:
    if not _is_queued(job):
        return False
    subprocess.run(["scancel", job], capture_output=True, check=False)
    until = time.monotonic() + QUEUE_SECONDS
    while _is_queued(job):
        if time.monotonic() > until:
            raise UsageError(
                f"The run {about.get('run')} of an earlier launch is still in Slurm's queue (job {job}) and can't be cancelled."
            )
        time.sleep(0.5)
    return True


def _is_queued(job: str) -> bool:
    asked = subprocess.run(["squeue", "--noheader", "--format=%A", "--jobs", job], capture_output=True, text=True, check=False)
    return asked.returncode == 0 and job in asked.stdout.split()  # of a job that is long gone it does not know
