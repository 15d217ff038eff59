"""Slurm, through submitit: each job is a job of the cluster.

Where there is no Slurm, submitit's own local executor is used.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import submitit

from gonogo.launch.executors import ExecutorOptions
from gonogo.launch.job import Event, Job, carry_out
from gonogo.launch.processes import began, noted_in_queue

INTERVAL = 1.0
ATTEMPTS = 3  # a job that leaves the queue without a result was killed, or its node was lost: it goes on where it stopped, on another
LOOKS = 5  # at the queue that a job must be missing from: results may take seconds to be seen through a shared file system


@dataclass
class _Submitted:
    """A job in the queue; `noted` is undone when it leaves it."""

    job: Job
    handle: Any
    started: float
    attempt: int = 1
    missing: int = 0
    noted: ExitStack = field(default_factory=ExitStack)


class SlurmExecutor:
    """Carries jobs through the cluster's queue. All nodes must see the same folders.

    Args:
        parameters: of the jobs, as submitit names them (`slurm_partition`, `timeout_min`, `cpus_per_task`, …).
    """

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters: dict[str, Any] = {name: int(value) if value.isdigit() else value for name, value in parameters.items()}
        self._cluster = "slurm" if shutil.which("sbatch") else "local"
        self.is_here = self._cluster == "local"

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Carry the jobs; events come as they happen. Closing the iterator cancels what runs or waits."""
        submitted: list[_Submitted] = []
        try:
            for job in jobs:
                submitted.append(_Submitted(job, None, time.monotonic()))
                self._submit(submitted[-1])
            told: set[str] = set()
            while submitted:
                states = self._states()
                for entry in list(submitted):
                    if entry.job.label not in told and self._has_begun(entry, states):
                        told.add(entry.job.label)
                        yield Event(entry.job.label, "running")
                    if self._has_ended(entry):
                        submitted.remove(entry)
                        entry.noted.close()
                        yield _ended(entry)
                    elif self._is_lost(entry, states):
                        if entry.attempt < ATTEMPTS:
                            entry.attempt, entry.missing = entry.attempt + 1, 0
                            self._submit(entry)
                        else:
                            submitted.remove(entry)
                            entry.noted.close()
                            yield _failed(entry, f"it left Slurm's queue {ATTEMPTS} times without a result: killed, or its node was lost")
                time.sleep(INTERVAL)
        finally:
            for entry in submitted:
                if entry.handle is not None:
                    entry.handle.cancel()
                entry.noted.close()

    def _submit(self, entry: _Submitted) -> None:
        job = entry.job
        folder = Path(job.log).parent / "submitit"
        executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster)
        executor.update_parameters(name=f"gonogo {job.label}"[:80], timeout_min=7 * 24 * 60)
        if job.gpus:
            executor.update_parameters(gpus_per_node=job.gpus if self._cluster == "slurm" else 0)
        if self._parameters:
            executor.update_parameters(**self._parameters)
        if self._cluster == "local":  # submitit's own processes would outlive this one
            entry.handle = executor.submit(_carry_out_tied, job, os.getpid(), began(os.getpid()))
            return
        entry.handle = executor.submit(carry_out, job)
        if job.record:
            entry.noted.close()
            entry.noted.enter_context(noted_in_queue(job.record, job.label, str(entry.handle.job_id)))

    def _states(self) -> dict[str, str] | None:
        """Return the states of our jobs in Slurm's queue, by id.

        None where the queue can't be asked, such as while its controller restarts.

        submitit asks Slurm's accounting instead, which many clusters do not have: there a job that was killed never ends for it.
        """
        if self._cluster != "slurm":
            return None
        asked = subprocess.run(["squeue", "--me", "--noheader", "--format=%A %T"], capture_output=True, text=True, check=False)
        if asked.returncode:
            return None
        return dict(line.split(maxsplit=1) for line in asked.stdout.splitlines() if line.strip())

    def _has_begun(self, entry: _Submitted, states: dict[str, str] | None) -> bool:
        if self._cluster != "slurm":
            return entry.handle.state in ("RUNNING", "COMPLETED")
        return (states or {}).get(entry.handle.job_id) == "RUNNING" or self._has_ended(entry)

    def _has_ended(self, entry: _Submitted) -> bool:
        return bool(entry.handle.done() if self._cluster != "slurm" else entry.handle.paths.result_pickle.exists())

    def _is_lost(self, entry: _Submitted, states: dict[str, str] | None) -> bool:
        """Whether the job has been missing from the queue for some looks, and has left no result."""
        if states is None:
            return False
        entry.missing = 0 if entry.handle.job_id in states else entry.missing + 1
        return entry.missing >= LOOKS


def _carry_out_tied(job: Job, launcher: int, start: str) -> Event:
    """Carry a job out for as long as the launcher lives."""

    def watch() -> None:
        while began(launcher) == start:
            time.sleep(INTERVAL)
        os.kill(os.getpid(), signal.SIGKILL)  # with which the job ends, too

    threading.Thread(target=watch, daemon=True).start()
    return carry_out(job)


def _ended(entry: _Submitted) -> Event:
    try:
        event: Event = entry.handle.result()
    except Exception as error:  # of submitit's, or whatever the node raised
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return _failed(entry, lines[-1][:300])
    return event


def _failed(entry: _Submitted, reason: str) -> Event:
    return Event(entry.job.label, "failed", time.monotonic() - entry.started, None, reason)


def make(options: ExecutorOptions) -> SlurmExecutor:
    """The executor.

    Raises:
        UsageError: an option is another one's.
    """
    options.refuse(address=True)
    return SlurmExecutor(dict(options.parameters))
