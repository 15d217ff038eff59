"""Slurm, by submitit: each job is a job of the cluster; where there is no Slurm, submitit's own local executor takes its place."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import submitit

from gonogo.launch.work import Event, Job, carry_out

INTERVAL = 1.0


class SlurmExecutor:
    """Carries jobs through the cluster's queue. All nodes must see the same folders.

    Args:
        parameters: of the jobs, as submitit names them (`slurm_partition`, `timeout_min`, `cpus_per_task`, …).
    """

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters: dict[str, Any] = {name: int(value) if value.isdigit() else value for name, value in parameters.items()}

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Carry the jobs; events come as they happen. Closing the iterator cancels what runs or waits."""
        submitted = {}
        try:
            for job in jobs:
                submitted[self._submit(job)] = (job, time.monotonic())
            told: set[str] = set()
            while submitted:
                for handle, (job, started) in list(submitted.items()):
                    if job.label not in told and handle.state in ("RUNNING", "COMPLETED"):
                        told.add(job.label)
                        yield Event(job.label, "running")
                    if handle.done():
                        del submitted[handle]
                        yield _ended(handle, job, started)
                time.sleep(INTERVAL)
        finally:
            for handle in submitted:
                handle.cancel()

    def _submit(self, job: Job) -> Any:
        folder = Path(job.log).parent / "submitit"
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm" if shutil.which("sbatch") else "local")
        executor.update_parameters(name=f"gonogo {job.label}"[:80], timeout_min=7 * 24 * 60)
        if job.gpus:
            executor.update_parameters(gpus_per_node=job.gpus if shutil.which("sbatch") else 0)
        if self._parameters:
            executor.update_parameters(**self._parameters)
        return executor.submit(carry_out, job)


def _ended(handle: Any, job: Job, started: float) -> Event:
    try:
        event: Event = handle.result()
    except Exception as error:  # of submitit's, or whatever the node raised
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return Event(job.label, "failed", time.monotonic() - started, None, lines[-1][:300])
    return event
