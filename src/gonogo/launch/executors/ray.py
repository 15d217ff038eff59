"""Ray: each job is a task on a cluster, started on this machine where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from gonogo.launch.executors import ExecutorOptions
from gonogo.launch.job import Event, Job, carry_out
from gonogo.system.ray import connected, ray

ATTEMPTS = 3  # a worker that dies takes its job with it: the job goes on where it stopped, on another


class RayExecutor:
    """Carries jobs as Ray tasks. All nodes must see the same folders.

    Args:
        jobs: how many at a time, None for one a core or accelerator.
        address: of a running cluster; None starts one here, and ends it.
    """

    def __init__(self, jobs: int | None = None, address: str | None = None) -> None:
        self.is_here = address is None
        self._jobs = jobs
        self._address = address

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Carry the jobs; events come as they happen. Closing the iterator stops what runs."""
        with connected(self._address) as there:
            yield from self._carry(list(jobs), there)

    def _carry(self, jobs: list[Job], there: dict[str, float]) -> Iterator[Event]:
        task: Any = ray.remote(max_retries=ATTEMPTS, retry_exceptions=False)(_carry_out)
        has_gpus = there.get("GPU", 0) > 0
        waiting = list(jobs)
        running: dict[Any, tuple[Job, float]] = {}
        most = self._jobs or max(1, int(there.get("GPU" if has_gpus else "CPU", 1)))
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    job = waiting.pop(0)
                    needs = {"num_gpus": max(1, min(job.gpus, 1))} if has_gpus and job.gpus else {"num_cpus": 1}
                    running[task.options(**needs).remote(job)] = (job, time.monotonic())
                    yield Event(job.label, "running")
                ready, _ = ray.wait(list(running), num_returns=1)
                job, started = running.pop(ready[0])
                try:
                    yield ray.get(ready[0])
                except ray.exceptions.RayError as error:
                    yield Event(
                        job.label, "failed", time.monotonic() - started, None, f"{type(error).__name__}: {str(error).splitlines()[0]}"
                    )
        finally:
            for reference in running:
                ray.cancel(reference, force=False)


def _carry_out(job: Job) -> Event:
    """On the worker."""
    return carry_out(job)


def make(options: ExecutorOptions) -> RayExecutor:
    """The executor.

    Raises:
        UsageError: an option is another one's.
    """
    options.refuse(parameters=True)
    return RayExecutor(options.jobs, options.address)
